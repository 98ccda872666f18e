#!/usr/bin/env python3
"""Deployer for a systemd unit on a far host over SSH: files are copied by their digests, a link is turned, the unit restarted.

    [target.deployer]
    command = ["python3", "docs/deployers/systemd_ssh.py", "deploy@edge7.example", "scorer@desk.service"]
    environment = ["SSH_AUTH_SOCK"]

Arguments: whom to log in as, and the unit, which serves the model that /var/lib/pilothouse/TARGET/MODEL/current names and
answers on 127.0.0.1:8080; a third one names another folder than /var/lib/pilothouse. The account needs that folder, and "sudo
systemctl restart UNIT". Set the variable SSH (and name it under "environment") for another program than ssh.
"""

import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

SSH = os.environ.get("SSH", "ssh")


def far(host: str, script: str, sent: bytes = b"") -> str:
    """Run a script of the shell on the far host. Its host key must be known: nobody is there to be asked."""
    command = [SSH, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", host, script]
    done = subprocess.run(command, input=sent, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{host}: {done.stderr.decode(errors='replace').strip() or done.returncode}")
    return done.stdout.decode().strip()


def main() -> None:
    host, unit, *folder = sys.argv[1:]
    asked = json.load(sys.stdin)
    root = folder[0] if folder else "/var/lib/pilothouse"
    place = shlex.quote(f"{root}/{asked['target']}/{asked['model']}")
    quoted = shlex.quote(unit)
    if asked["action"] == "probe":
        link = far(
            host,
            f"systemctl is-active --quiet {quoted} && curl -fsS -o /dev/null http://127.0.0.1:8080/v2/health/ready "
            f"&& readlink {place}/current",
        )
        if link != asked["key"]:
            raise SystemExit(f"{host} runs {link or 'nothing'}; expected {asked['key']}")
        return
    if asked["canary"] is not None:
        raise SystemExit(
            "one unit has no canary: leave canary steps out of the plan, or use another platform"
        )
    for name in ("artifact", "schema", "portable"):
        if (file := asked[name]) is None:
            continue
        data = pathlib.Path(file["path"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != file["digest"]:
            raise SystemExit(f"{file['path']} is not {file['digest']}")
        # nothing is copied that lies there whole already, and what is copied is compared before it counts
        far(
            host,
            f"set -e; mkdir -p {place}/files; cd {place}/files; "
            f"if [ -e {file['digest']} ]; then cat >/dev/null; exit 0; fi; t=$(mktemp .new.XXXXXX); cat >$t; "
            f'echo {file["digest"]} " $t" | sha256sum -c --quiet -; chmod 444 $t; mv $t {file["digest"]}',
            data,
        )
    links = " ".join(
        f"ln -sfn ../files/{asked[name]['digest']} $d/{called};"
        for name, called in (("artifact", "model.skops"), ("schema", "schema.json"), ("portable", "portable"))
        if asked[name] is not None
    )
    far(
        host,
        f"set -e; cd {place}; d={asked['key']}; mkdir -p $d; {links} ln -sfn $d .current.new; "
        f"mv -T .current.new current; sudo systemctl restart {quoted}",
    )
    print(f"{host} runs {asked['model']}/{asked['version']}")


if __name__ == "__main__":
    main()
