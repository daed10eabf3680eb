"""Adds up a vector of each process, as data-parallel training does with its gradients, over MPI.

    trainer run --nodes 2 --runtime mpi-distributed -- mpirun python3 examples/digits/allreduce_mpi.py
"""

from array import array

from mpi4py import MPI

SIZE = 1_000_000


def main():
    world = MPI.COMM_WORLD
    rank, size = world.Get_rank(), world.Get_size()
    print(f"process {rank} of {size} on {MPI.Get_processor_name()}", flush=True)
    gradients = array("d", [rank + 1]) * SIZE
    world.Allreduce(MPI.IN_PLACE, gradients, op=MPI.SUM)
    expected = size * (size + 1) / 2
    if min(gradients) != expected or max(gradients) != expected:
        raise SystemExit(f"the sums are {min(gradients)} to {max(gradients)}, not {expected}")
    if rank == 0:
        print(f"allreduce over {size} processes: {expected:g}", flush=True)


if __name__ == "__main__":
    main()
