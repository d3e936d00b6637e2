"""Convert a GGUF file to an ordinary model folder in bfloat16: `python -m harness.models.gguf FILE FOLDER`.

`harness.models.fetch` runs it as a separate process, because it loads torch. The new folder is loaded again, and must give
the same next-token scores as the model that was read from the GGUF file.
"""

import sys
from pathlib import Path


def convert(gguf: Path, folder: Path) -> None:
    """Write weights, tokenizer and chat template of `gguf` to `folder`.

    Raises `ValueError` if the written model scores tokens differently.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    dequantize = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(**source, quantization_config=dequantize, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    messages = [{"role": "user", "content": "What helps when the day was too much?"}]
    ids = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    with torch.no_grad():
        if not torch.equal(model(ids).logits, again(ids).logits):
            raise ValueError(f"{folder}: the converted model does not score tokens as {gguf.name} does")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
