"""Software from npm that tests use as counterparts, installed into a folder under build/."""
import json
import os
import pathlib
import shutil
import subprocess

from harness import BUILD, Skip, need

# Loaded before Lodestar: what the devnet loads.
LODESTAR_PRELOAD = pathlib.Path(__file__).resolve().parents[2] / "packaging/devnet/lodestar-preload.cjs"


def consensus_client(name, dependencies, overrides, timeout=600):
    """packages() for a consensus client: minutes of slots, and half a gigabyte to install; so only
    where BN_LODESTAR=1 asks for it (`make test-lodestar`)."""
    if os.environ.get("BN_LODESTAR") != "1":
        raise Skip("takes minutes: run with BN_LODESTAR=1, or make test-lodestar")
    return packages(name, dependencies, overrides, timeout)


def packages(name, dependencies, overrides=None, timeout=300):
    """The folder with those packages ({name: version}); installed once, skipped without npm."""
    npm, _ = need("npm"), need("node")
    folder = BUILD / "npm" / name
    manifest = {"private": True, "type": "module", "dependencies": dependencies}
    if overrides:
        manifest["overrides"] = overrides
    text = json.dumps(manifest, indent=2, sort_keys=True)
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_text() == text:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(text)
    try:
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True, timeout=timeout,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Skip("npm did not install the packages in time") from None
    if done.returncode != 0:
        raise Skip(f"npm could not install {', '.join(dependencies)}")
    stamp.write_text(text)
    return folder
