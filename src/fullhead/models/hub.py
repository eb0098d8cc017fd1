"""Models in folders and on the Hugging Face hub, by its conventions: model.safetensors beside a model card, README.md.

A model's config stands in the header of model.safetensors, so the folder needs no config.json.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Self

from fullhead.core.errors import FullheadError, in_words
from fullhead.io.files import check_place, existing_file, written_whole
from fullhead.models.checkpoint import read_module, save
from fullhead.nn.module import ConfiguredModule

PATIENCE = 5.0  # seconds until the hub answers
WEIGHTS, CARD = "model.safetensors", "README.md"
TAGS = ("3d", "head", "avatar", "nerf", "fullhead")


class HubModel(ConfiguredModule):
    """A family's model, with the three methods that users of Hugging Face expect."""

    @classmethod
    def from_pretrained(cls, model: str | Path) -> Self:
        """The model of a folder, a file, a hub id ("owner/name") or a shipped name, on the CPU. FullheadError if it is none."""
        return read_module(model_file(model), cls)

    def save_pretrained(self, folder: str | Path, *, license: str | None = None) -> Path:
        """Write folder/model.safetensors and folder/README.md, a model card; `license` as the hub names them ("cc0-1.0")."""
        folder = check_place(folder, folder=True)
        save(self, folder / WEIGHTS)
        with written_whole(folder / CARD) as path:
            path.write_text(model_card(self, folder.resolve().name, license), encoding="utf-8")
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool = False, license: str | None = None) -> str:
        """Upload the model and its card to the hub as "owner/name", made if needed; returns the page's address.

        Who you are is what `hf auth login` or HF_TOKEN say. Raises FullheadError in one line.
        """
        from huggingface_hub import HfApi

        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(Path(temporary) / repo_id.split("/")[-1], license=license)
            (folder / CARD).write_text(model_card(self, repo_id, license), encoding="utf-8")
            try:
                page = HfApi().create_repo(repo_id, private=private, exist_ok=True)
                HfApi().upload_folder(repo_id=page.repo_id, folder_path=folder, commit_message="A fullhead model")
            except Exception as error:  # its network library, and so what it raises, differs from version to version
                hint = "check the name, the connection, and `hf auth whoami`"
                raise FullheadError(f"cannot upload to {repo_id}: {in_words(error)}; {hint}") from None
        return str(page)


def model_file(model: str | Path) -> Path:
    """The file of a model by name, path or hub id. Raises FullheadError in one line if there is none."""
    model = str(model)
    shipped = files("fullhead.models") / "weights" / f"{model}.safetensors"
    if shipped.is_file():
        return Path(str(shipped))
    if Path(model).is_dir():  # of a model, or of the one head that a fit wrote
        found = list(Path(model).glob("*.safetensors"))
        return found[0] if len(found) == 1 else existing_file(Path(model) / WEIGHTS, "a model file")
    if Path(model).exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.endswith((".safetensors", ".pkl")):
        if "/" not in model and "." not in model and not Path(model).exists():
            raise FullheadError(f"no model called {model}: `fullhead presets` lists them; or give a file or a hub id")
        return Path(model)
    return from_hub(model)


def from_hub(repo_id: str) -> Path:
    """The file model.safetensors of a hub repository, downloaded into the hub's cache."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # its retries; we say in one line what came of them
    try:
        if not isinstance(try_to_load_from_cache(repo_id, WEIGHTS), str):  # one look: the download would try again and again
            get_hf_file_metadata(hf_hub_url(repo_id, WEIGHTS), timeout=PATIENCE)
        return Path(hf_hub_download(repo_id, WEIGHTS))
    except Exception as error:  # as above
        answered = getattr(error, "response", None) is not None
        why = f"the hub gives no {repo_id}/{WEIGHTS}" if answered else f"the hub cannot be asked for {repo_id}/{WEIGHTS}"
        raise FullheadError(f"no file or folder {repo_id}, and {why}: check the name and the connection") from None


def model_card(model: HubModel, name: str, license: str | None) -> str:
    """The README.md of a model that is known as `name` (a hub id or a folder)."""
    from huggingface_hub import ModelCardData

    from fullhead.io.config import describe

    facts = ModelCardData(
        library_name="fullhead", license=license, tags=list(TAGS), pipeline_tag="unconditional-image-generation"
    )
    weights = sum(p.numel() for p in model.parameters()) / 1e6
    made = json.dumps(model.about, indent=1, ensure_ascii=False) if model.about else "Not said."
    return f"""---
{facts.to_yaml()}
---

# {name}

A {type(model).__name__} of fullhead: 360-degree human heads in 3D. {weights:.2f} million weights.

```python
import fullhead

model = fullhead.load("{name}")
head = model.decode(model.seed_latents([7]))
image = model.render(head, fullhead.orbit(yaw=0.5)).image  # [1, 3, H, W] in [-1, 1]
```

`fullhead orbit --model {name}` turns a head once around.

## How it was made

```
{made}
```

## Config

```
{describe(model.config)}
```
"""
