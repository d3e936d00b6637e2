"""Trains a LoRA adapter with TRL and PEFT on the rows of `harness export --format sft`, on a CPU or a GPU.

  python scripts/examples/train_lora.py DATA/train.jsonl OUT --model FOLDER --epochs 2

Rows of one session whose prompts continue one another become one sequence with the loss on every completion. The loss is
the same, and each token is computed once.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

IGNORED = -100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="train.jsonl of an sft export")
    parser.add_argument("out", type=Path, help="folder of the adapter")
    parser.add_argument("--model", required=True, help="folder of the base model")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=2, help="sequences per step")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sequences = merged([json.loads(line) for line in args.data.open(encoding="utf-8")])
    tokens = sum(len(sequence["input_ids"]) for sequence in sequences)
    learnt = sum(label != IGNORED for sequence in sequences for label in sequence["labels"])
    print(f"{len(sequences)} sequences, {tokens} tokens, {learnt} of them in the loss", flush=True)
    began = time.time()
    train(sequences, args)
    print(f"trained in {time.time() - began:.0f} s: {args.out}", flush=True)


def merged(rows: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """Merge each row into the one before it where it continues that row."""
    sequences: list[dict[str, list[int]]] = []
    last = None
    for row in rows:
        ids, labels = row["input_ids"], row["labels"]
        before = sequences[-1]["input_ids"] if sequences else []
        if last == row["session_id"] and ids[: len(before)] == before:
            labels = sequences.pop()["labels"] + labels[len(before) :]
        sequences.append({"input_ids": ids, "labels": labels})
        last = row["session_id"]
    return sequences


def train(sequences: list[dict[str, list[int]]], args: argparse.Namespace) -> None:
    """Train the adapter, and save it in bfloat16."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    config = SFTConfig(
        output_dir=str(args.out / "checkpoints"),
        num_train_epochs=args.epochs,
        per_device_train_batch_size=args.batch,
        learning_rate=args.rate,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        max_length=None,  # no row is longer than its window, and a cut row would lose its completion
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        seed=args.seed,
    )
    lora = LoraConfig(
        r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(sequences),
        peft_config=lora,
        processing_class=AutoTokenizer.from_pretrained(args.model),
    )
    trainer.train()
    trainer.model.to(torch.bfloat16).save_pretrained(str(args.out))


if __name__ == "__main__":
    main()
