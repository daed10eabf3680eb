"""The same digits with PyTorch: DistributedDataParallel over the processes that torchrun starts.

    trainer run --nodes 2 --runtime torch-distributed -- torchrun examples/digits/train_torch.py

torchrun reads PET_* from the job's environment: how many nodes, which of them this is, where the first one listens.
"""

import os
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.parallel import DistributedDataParallel

STEPS = 400
REPORT_EVERY = 100
BATCH = 32  # images per process and step
EXPECTED = 0.95  # test accuracy; less means that something is broken


def main():
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    device = choose_device()
    images, labels, test_images, test_labels = load_images(device)
    total = len(images)
    images, labels = images[rank::world], labels[rank::world]
    say(f"process {rank} of {world} trains on {len(images)} of {total} images")

    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    model = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    draw = torch.Generator().manual_seed(rank)
    for step in range(1, STEPS + 1):
        picked = torch.randint(len(images), (BATCH,), generator=draw)
        loss = nn.functional.cross_entropy(model(images[picked]), labels[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % REPORT_EVERY == 0:
            say(f"step {step}  loss {loss.item():.4f}")

    if rank == 0:
        save(network)
    with torch.no_grad():
        result = (network(test_images).argmax(dim=1) == test_labels).float().mean().item()
    say(f"test accuracy {result:.1%}, on {len(test_images)} images that it has never seen")
    dist.destroy_process_group()
    if result < EXPECTED:
        raise SystemExit(f"training failed: at least {EXPECTED:.0%} was expected")


def choose_device():
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def load_images(device):
    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(images / 16, labels, test_size=0.2, random_state=0)
    to_tensor = lambda array, kind: torch.tensor(array, dtype=kind, device=device)
    return (
        to_tensor(train, torch.float32),
        to_tensor(train_labels, torch.int64),
        to_tensor(test, torch.float32),
        to_tensor(test_labels, torch.int64),
    )


def save(network):
    folder = Path(os.environ.get("TRAINER_OUTPUT_DIR", "."))
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / "model.pt")
    say(f"saved {folder / 'model.pt'}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
