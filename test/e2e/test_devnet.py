"""The devnet: every part that the build offers, working together."""
import json
import pathlib

from harness import BUILD, Skip, case, main, run

ROOT = pathlib.Path(__file__).resolve().parents[2]


@case
def the_whole_network_works_and_leaves_nothing_behind():
    if BUILD != ROOT / "build":
        raise Skip("the devnet runs the build in build/")
    before = set(pathlib.Path("/tmp").glob("buildernet-devnet-*"))
    r = run("python3", ROOT / "tools/devnet", timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "FAILED" not in r.stdout
    summary = json.loads(r.stdout.strip().splitlines()[-1])
    assert summary["failed"] == 0 and "hub" in summary["running"], summary
    assert set(pathlib.Path("/tmp").glob("buildernet-devnet-*")) <= before


main()
