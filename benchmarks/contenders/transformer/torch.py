"""PyTorch, eager, with ``scaled_dot_product_attention`` and the fused AdamW, as nanoGPT does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.contenders.torch import PACKAGES, describe
from benchmarks.contenders.transformer import SIZES, Size
from benchmarks.jobs import Job
from benchmarks.transformer_jobs import BETAS, DECAY, NORM, RATE, parameters, peak_memory, step_job

__all__ = ["PACKAGES", "describe", "step", "transformer_memory"]


class Transformer(nn.Module):  # type: ignore[misc]
    """The Transformer, with the common initial parameters of a seed."""

    def __init__(self, size: Size, seed: int = 0):
        super().__init__()
        self.size, p = size, parameters(size, seed)

        def parameter(name: str, array: Any) -> nn.Parameter:  # matrices as linear layers store them: (outputs, inputs)
            is_matrix = name in ("qkv", "out", "up", "down")
            return nn.Parameter(torch.from_numpy(array.T.copy() if is_matrix else array))

        self.tokens, self.positions, self.scale = (parameter(name, p[name]) for name in ("tokens", "positions", "scale"))
        self.blocks = nn.ModuleList(
            nn.ParameterDict({name: parameter(name, array) for name, array in block.items()}) for block in p["blocks"]
        )

    def forward(self, x: Any) -> Any:
        """Return the logits of tokens (n, t)."""
        size = self.size
        (n, t), w = x.shape, (size.width,)
        z = F.embedding(x, self.tokens) + self.positions[:t]
        for block in self.blocks:
            q, k, v = F.linear(F.layer_norm(z, w, block["scale1"]), block["qkv"]).split(size.width, dim=2)
            q, k, v = (one.view(n, t, size.heads, -1).transpose(1, 2) for one in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            z = z + F.linear(y.transpose(1, 2).contiguous().view(n, t, size.width), block["out"])
            z = z + F.linear(F.gelu(F.linear(F.layer_norm(z, w, block["scale2"]), block["up"])), block["down"])
        return F.linear(F.layer_norm(z, w, self.scale), self.tokens)


def loss_of(model: nn.Module) -> Callable[[Any, Any], Any]:
    """Return forward pass and loss as one function of a batch."""

    def loss(x: Any, y: Any) -> Any:
        z = model(x)
        return F.cross_entropy(z.view(-1, z.shape[-1]), y.reshape(-1))

    return loss


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """Return nanoGPT's optimizer: matrices decay, scales do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=BETAS, fused=True)


def stepper(
    model: nn.Module, loss: Callable[[Any, Any], Any], optimizer: torch.optim.Optimizer | None = None
) -> Callable[[Any, Any], Any]:
    """Return nanoGPT's training step."""
    optimizer = optimizer or optimizer_of(model)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = loss(x, y)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), NORM)
        optimizer.step()
        return value.detach()

    return step


def step(size: str, batch: int) -> Job:
    """Return a job of one step: zero_grad, forward, loss, backward, clipping, step."""
    model = Transformer(SIZES[size])
    return step_job(SIZES[size], batch, stepper(model, loss_of(model)), torch.from_numpy, variant="eager, fused AdamW")


def transformer_memory(size: str, batch: int) -> Any:
    """Return the peak memory before and after some steps."""

    def make() -> Callable[[Any, Any], Any]:
        model = Transformer(SIZES[size])
        return stepper(model, loss_of(model))

    return peak_memory(SIZES[size], batch, make, torch.from_numpy)
