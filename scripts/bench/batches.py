"""The requests of a run with `transformers` alone, in batches of `generate`, as a short script would send them."""

import time
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from recorded import Plans, Round
from served import sampled

from harness.types import Request


def batches(model: str, plans: Plans, *, dummy: bool = False) -> Round:
    """Generate the first request of every session in one batch, then the second, ...; padded on the left."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if dummy:
        network: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model), dtype=torch.bfloat16)
    else:
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    steps = [[one for one in step if one is not None] for step in zip_longest(*plans)]
    began, tokens = time.perf_counter(), 0
    with torch.inference_mode():
        for step in steps:
            tokens += _batch(network, step, pad)
    return Round("transformers", tokens, time.perf_counter() - began)


def _batch(network: Any, step: Sequence[Request], pad: int) -> int:
    """Generate one batch; returns the number of tokens, end tokens included."""
    import torch

    prompts = [list(request.prompt.ids or ()) for request in step]
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=network.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=network.device)
    drawn = sampled(step[0])
    draws = drawn["temperature"] > 0
    most = max(request.prompt.max_new_tokens for request in step)
    said = network.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=most,
        pad_token_id=pad,
        do_sample=draws,
        repetition_penalty=drawn["repetition_penalty"],
        **({"temperature": drawn["temperature"], "top_p": drawn["top_p"], "top_k": drawn["top_k"]} if draws else {}),
    )
    ends = network.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    counted = 0
    for row, request in zip(said[:, width:].tolist(), step, strict=True):
        length = next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
        counted += min(length, request.prompt.max_new_tokens)
    return counted
