"""A renderer from the settings of a model."""

from datetime import datetime

from harness.config.schema import ModelConfig
from harness.context.render.renderer import Renderer


def load_renderer(model: ModelConfig, date: datetime) -> Renderer:
    """The renderer of a model whose path was resolved. Raises `ConfigError` if it has no tokenizer.

    Templates that print the time see midnight of `date`, so that any other process renders the same prompts.
    """
    return Renderer.load(
        model.path,
        revision=model.revision,
        chat_template=model.chat_template,
        template_args=model.template_args,
        trust_remote_code=model.trust_remote_code,
        stand_in=model.stand_in,
        date=date.replace(hour=0, minute=0, second=0, microsecond=0),
    )
