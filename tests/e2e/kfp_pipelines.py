"""Pipelines that the tests of the KFP door run: container components in plain Python, so that each takes milliseconds,
and one function component as the SDK compiles it."""

from kfp import compiler, dsl

IMAGE = "python:3.11"


@dsl.container_component
def count(first: int, text: dsl.Output[dsl.Dataset], total: dsl.OutputPath(int)):
    """Writes the numbers 1 to `first`, and their sum."""
    program = (
        "import pathlib, sys\n"
        "numbers = range(1, int(sys.argv[1]) + 1)\n"
        "for path in sys.argv[2:]: pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)\n"
        "pathlib.Path(sys.argv[2]).write_text(' '.join(map(str, numbers)))\n"
        "pathlib.Path(sys.argv[3]).write_text(str(sum(numbers)))\n"
        "print('counted to', sys.argv[1])\n"
    )
    return dsl.ContainerSpec(image=IMAGE, command=["python3", "-c", program], args=[first, text.path, total])


@dsl.container_component
def check(numbers: dsl.Input[dsl.Dataset], expected: int, marker: str):
    """Fails unless the numbers' sum is `expected`, or the file `marker` exists."""
    program = (
        "import pathlib, sys\n"
        "total = sum(map(int, pathlib.Path(sys.argv[1]).read_text().split()))\n"
        "print('total', total)\n"
        "if total != int(sys.argv[2]) and not pathlib.Path(sys.argv[3]).exists():\n"
        "    sys.exit(f'the total is {total}, expected {sys.argv[2]}')\n"
    )
    return dsl.ContainerSpec(image=IMAGE, command=["python3", "-c", program], args=[numbers.path, expected, marker])


@dsl.container_component
def wait_for(marker: str, out: dsl.Output[dsl.Artifact]):
    """Notes its process id beside `marker` and waits until `marker` exists; writes one line."""
    program = (
        "import os, pathlib, sys, time\n"
        "marker = pathlib.Path(sys.argv[1])\n"
        "with marker.with_suffix('.started').open('a') as started: started.write(f'{os.getpid()}\\n')\n"
        "while not marker.exists(): time.sleep(0.02)\n"
        "pathlib.Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)\n"
        "pathlib.Path(sys.argv[2]).write_text('done')\n"
    )
    return dsl.ContainerSpec(image=IMAGE, command=["python3", "-c", program], args=[marker, out.path])


@dsl.container_component
def count_file(out: dsl.Input[dsl.Artifact], copy: dsl.Output[dsl.Artifact]):
    program = (
        "import pathlib, sys\n"
        "pathlib.Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)\n"
        "pathlib.Path(sys.argv[2]).write_text(pathlib.Path(sys.argv[1]).read_text())\n"
    )
    return dsl.ContainerSpec(image=IMAGE, command=["python3", "-c", program], args=[out.path, copy.path])


@dsl.component(base_image=IMAGE)
def double(number: int) -> int:
    print("doubling", number)
    return 2 * number


@dsl.pipeline(name="sums", description="Counts and checks.")
def sums(first: int = 10, expected: int = 55, marker: str = "/nonexistent"):
    counted = count(first=first)
    check(numbers=counted.outputs["text"], expected=expected, marker=marker)


@dsl.pipeline(name="doubled")
def doubled(first: int = 4):
    double(number=count(first=first).outputs["total"])


@dsl.pipeline(name="waiting")
def waiting(marker: str):
    counted = count(first=3)
    waited = wait_for(marker=marker).after(counted)
    waited.set_caching_options(False)
    count_file(out=waited.outputs["out"]).set_caching_options(False)


def compiled(pipeline, folder):
    """The compiled package's path."""
    path = folder / f"{pipeline.name}.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return str(path)
