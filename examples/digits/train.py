"""Trains a small network on scikit-learn's handwritten digits, data-parallel over the nodes of a job.

Each process holds its own share of the images and draws its part of every batch from it. The
parameters are replicated, the batch is sharded, and JAX averages the gradients over all processes.
Run by hand, without a job around it, the same script trains in one process.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import reached_preemption_sync_point
from jax.sharding import NamedSharding, PartitionSpec
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

LAYERS = (64, 128, 10)
STEPS = 1000
REPORT_EVERY = 200
BATCH = 32  # images per device and step
LEARNING_RATE = 0.05
MOMENTUM = 0.9
EXPECTED = 0.95  # test accuracy; less means that something is broken


def main():
    join_the_others()
    rank, world = jax.process_index(), jax.process_count()
    images, labels, test_images, test_labels = load_images()
    total = len(images)
    images, labels = images[rank::world], labels[rank::world]
    say(f"process {rank} of {world} trains on {len(images)} of {total} images")

    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    sharded = NamedSharding(mesh, PartitionSpec("data"))
    state = jax.device_put(initial_state(jax.random.key(0)), NamedSharding(mesh, PartitionSpec()))

    draw = np.random.default_rng(rank)
    for step in range(1, STEPS + 1):
        picked = draw.choice(len(images), BATCH * jax.local_device_count())
        batch = [jax.make_array_from_process_local_data(sharded, part[picked]) for part in (images, labels)]
        state, loss = train_step(state, *batch)
        if step % REPORT_EVERY == 0:
            own = accuracy(params_of(state), images, labels)
            say(f"step {step}  loss {loss:.4f}  accuracy on its own images {own:.1%}")
        # After a SIGTERM to any of them, all processes stop at the same step.
        if reached_preemption_sync_point(step):
            save(params_of(state))
            say(f"asked to stop after step {step}")
            sys.exit(128 + signal.SIGTERM)

    save(params_of(state))
    result = accuracy(params_of(state), test_images, test_labels)
    say(f"test accuracy {result:.1%}, on {len(test_images)} images that it has never seen")
    if result < EXPECTED:
        sys.exit(f"training failed: at least {EXPECTED:.0%} was expected")


def join_the_others():
    """Makes the processes of the job one JAX program. Must come before anything else of JAX."""
    if "JAX_COORDINATOR_ADDRESS" in os.environ:
        jax.distributed.initialize(
            coordinator_address=os.environ["JAX_COORDINATOR_ADDRESS"],
            num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
            process_id=int(os.environ["JAX_PROCESS_ID"]),
        )


def load_images():
    """8x8 images as rows of 64 numbers from 0 to 1, and their digits: a training and a test set."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(images, labels, test_size=0.2, random_state=0)
    return train, train_labels, test, test_labels


def initial_state(key):
    """Parameters, and their momentum."""
    shapes = list(zip(LAYERS, LAYERS[1:]))
    params = [
        {"w": jax.random.normal(key, shape) * np.sqrt(2 / shape[0]), "b": jnp.zeros(shape[1])}
        for key, shape in zip(jax.random.split(key, len(shapes)), shapes)
    ]
    return params, jax.tree.map(jnp.zeros_like, params)


@jax.jit
def train_step(state, images, labels):
    params, momentum = state
    loss, gradients = jax.value_and_grad(cross_entropy)(params, images, labels)
    momentum = jax.tree.map(lambda m, g: MOMENTUM * m + g, momentum, gradients)
    params = jax.tree.map(lambda p, m: p - LEARNING_RATE * m, params, momentum)
    return (params, momentum), loss


def cross_entropy(params, images, labels):
    """Mean over the whole batch: where the batch is sharded, XLA makes this (and its gradient) an all-reduce."""
    scores = jax.nn.log_softmax(predict(params, images))
    return -jnp.take_along_axis(scores, labels[:, None], axis=1).mean()


def predict(params, images):
    *hidden, last = params
    for layer in hidden:
        images = jax.nn.relu(images @ layer["w"] + layer["b"])
    return images @ last["w"] + last["b"]


def accuracy(params, images, labels):
    return (predict(params, images).argmax(axis=1) == labels).mean()


def params_of(state):
    """This process's copy of the parameters; all copies are equal."""
    return jax.tree.map(lambda array: np.asarray(array.addressable_data(0)), state[0])


def save(params):
    if jax.process_index() != 0:
        return
    folder = Path(os.environ.get("TRAINER_OUTPUT_DIR", "."))
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}{i}": array for i, layer in enumerate(params) for name, array in layer.items()}
    np.savez(folder / "model.npz", **arrays)
    say(f"saved {folder / 'model.npz'}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
