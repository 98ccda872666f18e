#!/usr/bin/env bash
# apprise 2.3.0 (Python 3.11)
#
# Guess:    notify(title, body) with a text of two lines, mailed with the defaults, arrives as that text.
# Seen:     a body without body_format goes to the mail as if it were HTML, and the plain part is made from that: line ends
#           become blanks, and what stands between < and > is gone from what the reader sees, in both parts. notify() says
#           SUCCESS. With body_format=NotifyFormat.TEXT the text arrives as it was.
# Output:   plain part of "drift: a<b and b>c\nrow 7 of <unknown>, ask ops" is "drift: ac row 7 of , ask ops".
# Matters:  alerts have lines, conditions and placeholders in them; what is lost is the condition.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check apprise==2.3.0
cat > "$work/check.py" <<'PY'
import email
import socketserver
import threading

import apprise

TEXT = "drift: a<b and b>c\nrow 7 of <unknown>, ask ops"
mails = []


class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    text += part
                mails.append(email.message_from_bytes(text))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n")
            if word == b"QUIT":
                return


def plain(**how):
    mails.clear()
    sender = apprise.Apprise()
    sender.add(f"mailto://localhost:{port}?from=a@b.example&to=x@y.example&mode=insecure")
    assert sender.notify(title="alert", body=TEXT, **how)
    (part,) = (one for one in mails[0].walk() if one.get_content_type() == "text/plain")
    return part.get_payload(decode=True).decode().replace("\r\n", "\n").strip()


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    default, told = plain(), plain(body_format=apprise.NotifyFormat.TEXT)
    server.shutdown()
print("apprise", apprise.__version__)
print("sent:       ", repr(TEXT))
print("by default: ", repr(default))
print("told TEXT:  ", repr(told))
assert default == "drift: ac row 7 of , ask ops", "the default is another now"
assert told == TEXT, "a body that is told to be text changes now"
PY
"$work/venv/bin/python" "$work/check.py"
