"""The same digits with XGBoost: trees grown together by the workers of a job.

    trainer run --nodes 2 --runtime xgboost-distributed examples/digits/train_xgboost.py

The first worker also runs the tracker, which introduces the workers to each other. Where it listens, how many workers
there are and which of them this is comes in DMLC_*.
"""

import os
from pathlib import Path

import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from xgboost import collective
from xgboost.tracker import RabitTracker

TREES = 40
REPORT_EVERY = 10
EXPECTED = 0.93  # test accuracy; less means that something is broken


def main():
    host, port = os.environ["DMLC_TRACKER_URI"], int(os.environ["DMLC_TRACKER_PORT"])
    workers, task = int(os.environ["DMLC_NUM_WORKER"]), os.environ["DMLC_TASK_ID"]
    tracker = None
    if task == "0":
        tracker = RabitTracker(n_workers=workers, host_ip="0.0.0.0", port=port, sortby="task")
        tracker.start()
    with collective.CommunicatorContext(
        dmlc_communicator="rabit",
        dmlc_tracker_uri=host,
        dmlc_tracker_port=port,
        dmlc_task_id=task,
        dmlc_retry=10,
    ):
        train()
    if tracker:
        tracker.wait_for()


def train():
    rank, world = collective.get_rank(), collective.get_world_size()
    images, labels = load_digits(return_X_y=True)
    images, test, labels, test_labels = train_test_split(images, labels, test_size=0.2, random_state=0)
    own, own_labels = images[rank::world], labels[rank::world]
    say(f"process {rank} of {world} trains on {len(own)} of {len(images)} images")

    held_back = xgboost.DMatrix(test, test_labels)
    progress = {}
    model = xgboost.train(
        {"objective": "multi:softmax", "num_class": 10, "max_depth": 4, "eta": 0.3, "tree_method": "hist", "nthread": 1},
        xgboost.DMatrix(own, own_labels),
        num_boost_round=TREES,
        evals=[(held_back, "test")],
        evals_result=progress,
        verbose_eval=False,
    )
    errors = progress["test"]["mlogloss"]
    for step in range(REPORT_EVERY, TREES + 1, REPORT_EVERY):
        say(f"step {step}  loss {errors[step - 1]:.4f}")
    if rank == 0:
        folder = Path(os.environ.get("TRAINER_OUTPUT_DIR", "."))
        folder.mkdir(parents=True, exist_ok=True)
        model.save_model(folder / "model.ubj")
        say(f"saved {folder / 'model.ubj'}")
    result = (model.predict(held_back) == test_labels).mean()
    say(f"test accuracy {result:.1%}, on {len(test)} images that it has never seen")
    if result < EXPECTED:
        raise SystemExit(f"training failed: at least {EXPECTED:.0%} was expected")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
