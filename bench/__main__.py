"""All measurements, one after the other: `make bench`."""

import subprocess
import sys

MEASUREMENTS = {
    "bench.hot_path": "a tools/call with everything on, beside the floor",
    "bench.messages": "messages of A2A, beside the floor and a tools/call",
    "bench.turns": "turns, waited for and not, on both engines, and how soon another replica hears what is said",
    "bench.log": "the conversation log beside its engines' own rate of commits, and its followers",
    "bench.policies": "decisions and listings, from 10 to 10,000 policies",
    "bench.adapter": "the gRPC adapter beside a raw call",
}


def main() -> None:
    for module, about in MEASUREMENTS.items():
        print(f"\n== {about} ({module})", flush=True)
        subprocess.run([sys.executable, "-m", module], check=True)


if __name__ == "__main__":
    main()
