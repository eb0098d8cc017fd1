"""A real browser that loads an exported head and takes pictures of it."""

import io
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
KINDS = {".html": "text/html", ".js": "text/javascript"}
SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL without a GPU
PATIENCE = 240  # seconds


class Answers(BaseHTTPRequestHandler):
    """Serves the page, the head and the list of shots; takes the pictures. Filled in by `take_shots`."""

    files: dict[str, bytes]
    pictures: dict[str, np.ndarray]
    report: dict
    done: threading.Event

    def do_GET(self) -> None:
        place = HERE / self.path.lstrip("/")
        if self.path not in self.files and not place.is_file():
            return self.send_error(404)
        data = self.files[self.path] if self.path in self.files else place.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", KINDS.get(place.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/done":
            self.report.update(json.loads(data))
            self.done.set()
        else:
            self.pictures[self.path.removeprefix("/shot/")] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def take_shots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, list[dict]], tuple[dict[str, np.ndarray], dict]]:
    """Pictures [n, n, 3] in [0, 1] by name, and what the page found in the file."""
    chromium = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip(f"no browser: install one of {', '.join(CHROMIUMS)}")
    if not (HERE / "node_modules" / "three").is_dir():
        pytest.skip("no three.js: install npm and run `npm ci` in tests/browser")

    def take(head: Path, shots: list[dict]) -> tuple[dict[str, np.ndarray], dict]:
        files = {"/head.glb": head.read_bytes(), "/shots.json": json.dumps(shots).encode()}
        given = {"files": files, "pictures": {}, "report": {}, "done": threading.Event()}
        handler = type("Handler", (Answers,), given)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            command = [chromium, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *SOFTWARE]
            command += [f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]
            command += [f"http://127.0.0.1:{server.server_port}/page.html"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            finished = handler.done.wait(PATIENCE)
            process.terminate()
            process.wait()
            server.shutdown()
        assert finished, f"the page was not done after {PATIENCE} s"
        assert "error" not in handler.report, handler.report["error"]
        return handler.pictures, handler.report

    return take
