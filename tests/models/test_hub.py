"""Models in folders and from the hub; the hub is a small server of files on this machine, or nowhere."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard, constants

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.families.opening import load
from fullhead.models.checkpoint import read_header, save
from fullhead.models.panohead import PanoHead
from fullhead.nn.discriminator import Discriminator
from fullhead.training.panohead import PanoHeadTaskConfig


@pytest.fixture
def model(tiny: PanoHeadTaskConfig) -> PanoHead:
    torch.manual_seed(0)
    return PanoHead(tiny.generator).eval().requires_grad_(False)


def picture(model: PanoHead) -> torch.Tensor:
    return model.render(model.decode(model.seed_latents([3])), orbit(0.3)).image


def test_a_folder_holds_the_model_and_a_card_that_the_hub_can_read(model: PanoHead, tmp_path: Path) -> None:
    model.about = {"preset": "panohead-tiny", "images_seen": 12}
    folder = model.save_pretrained(tmp_path / "mine", license="cc0-1.0")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.safetensors"]
    card = ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.license) == ("fullhead", "cc0-1.0")
    assert '"images_seen": 12' in card.text
    assert "neural_size = 16" in card.text


@pytest.mark.parametrize("loaded", [PanoHead.from_pretrained, load])
def test_a_folder_loads_as_the_model_it_was(model: PanoHead, tmp_path: Path, loaded: Callable[[Path], PanoHead]) -> None:
    model.about = {"images_seen": 12}
    back = loaded(model.save_pretrained(tmp_path / "mine"))
    assert back.about == {"images_seen": 12}
    assert torch.equal(picture(back), picture(model))
    back.save_pretrained(tmp_path / "again")
    assert read_header(tmp_path / "again" / "model.safetensors")["about"] == {"images_seen": 12}


def test_a_shipped_name_is_pretrained_too() -> None:
    assert PanoHead.from_pretrained("panohead-demo").about["images_seen"] > 0


def test_what_is_no_such_model_is_refused_in_words(model: PanoHead, tmp_path: Path, tiny: PanoHeadTaskConfig) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FullheadError, match=r"no model file at .*empty/model\.safetensors"):
        PanoHead.from_pretrained(tmp_path / "empty")
    save(Discriminator(tiny.discriminator), tmp_path / "d.safetensors")
    with pytest.raises(FullheadError, match="holds a panohead-discriminator, not a panohead"):
        PanoHead.from_pretrained(tmp_path / "d.safetensors")
    with pytest.raises(FullheadError, match="is a file: give a folder"):
        model.save_pretrained(tmp_path / "d.safetensors")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files owner/name/... are served as the hub serves them; downloads go to a cache of the test."""
    root = tmp_path / "hub"

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = root / self.path.lstrip("/").replace("/resolve/main/", "/")
            found = path.is_file()
            content = path.read_bytes() if found else b"{}"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield root
    server.shutdown()
    server.server_close()


def test_a_model_comes_from_the_hub_by_its_id(model: PanoHead, hub: Path) -> None:
    model.save_pretrained(hub / "somebody" / "heads")
    assert torch.equal(picture(load("somebody/heads")), picture(model))


def test_a_name_that_the_hub_does_not_know_is_one_line(hub: Path) -> None:
    with pytest.raises(FullheadError, match=r"no file or folder some/thing, and the hub gives no some/thing/model"):
        load("some/thing")


def test_a_hub_that_does_not_answer_is_not_waited_for(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"  # nobody listens there
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere)
    start = time.monotonic()
    with pytest.raises(FullheadError, match="the hub cannot be asked for some/thing"):
        load("some/thing")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("repo_id", ["somebody/heads", "not/an/id"])
def test_an_upload_that_cannot_be_is_one_line(model: PanoHead, monkeypatch: pytest.MonkeyPatch, repo_id: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(FullheadError, match=f"cannot upload to {repo_id}: ") as caught:
        model.push_to_hub(repo_id)
    assert "\n" not in str(caught.value)
