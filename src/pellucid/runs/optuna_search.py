"""The strategy of a sweep in which a sampler of Optuna chooses the combinations, and one of its pruners ends trials early.

The sampler chooses among the values of the grid, by their place in it, so that it knows which of several numbers are
neighbours. Trials are trained in rounds of a fixed number. The pruner sees each of them after a ninth and a third of its
epochs. So the choices are those of the seed, however many processes train.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.config import Count, validate
from pellucid.errors import ConfigError, did_you_mean
from pellucid.runs.search import Combination, Strategy, Trials

ROUND = 8  # trials that are asked for together
SHARES = (1 / 9, 1 / 3, 1.0)  # of the epochs, after which the pruner decides
FACTOR = 3  # of one share to the next
SAMPLERS, PRUNERS = ("tpe", "random"), ("median", "halving", "none")


@dataclass(frozen=True)
class OptunaSearch(Strategy):
    """Train as many ``trials`` as given: the ``sampler`` chooses them, and the ``pruner`` gives up those that seem worse.

    Samplers: "tpe", the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl, 2011), or "random". Pruners:
    "median" gives up what is worse than the median of the trials before it after the same share of the epochs; "halving" keeps
    the best third there (asynchronous successive halving, Li et al., 2018); "none" trains all trials to the end. A combination
    that is chosen twice is trained once. Raises ConfigError unless Optuna is installed.
    """

    name: ClassVar[str] = "optuna"

    trials: int = 20
    sampler: str = SAMPLERS[0]
    pruner: str = PRUNERS[0]
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", validate(self.trials, Count, "OptunaSearch", "trials"))
        for name, allowed in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"--{name} {value!r}: {did_you_mean(value, allowed)}")
        if importlib.util.find_spec("optuna") is None:
            raise ConfigError("--strategy optuna needs Optuna: pip install 'pellucid[optuna]'; --strategy halving does not")

    def search(self, trials: Trials) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=self._sampler(optuna), pruner=self._pruner(optuna))
        for first in range(0, self.trials, ROUND):
            count = min(ROUND, self.trials - first)
            trials.say(f"trials {first + 1} to {first + count} of {self.trials}")
            asked = [study.ask() for _ in range(count)]
            self._train(trials, study, {one: _choose(one, trials.combinations) for one in asked}, optuna)
            if trials.out_of_time:
                return

    def _train(self, trials: Trials, study: Any, chosen: dict[Any, Combination], optuna: Any) -> None:
        """Train one round of trials, each for one share of the epochs after the other, and tell the study their results."""
        states = optuna.trial.TrialState
        for i, share in enumerate(SHARES if self.pruner != "none" else SHARES[-1:]):
            trials.train(list(dict.fromkeys(chosen.values())), share)
            if trials.out_of_time:
                return
            for one, combination in list(chosen.items()):
                standing = trials.standing(combination, share)
                if standing is None or not standing.is_known:  # failed or diverged
                    study.tell(one, state=states.FAIL)
                elif share == 1:
                    study.tell(one, standing.value)
                else:
                    one.report(standing.value, FACTOR**i)
                    if not one.should_prune():
                        continue
                    study.tell(one, state=states.PRUNED)
                del chosen[one]

    def _sampler(self, optuna: Any) -> Any:
        if self.sampler == "random":
            return optuna.samplers.RandomSampler(seed=self.seed)
        return optuna.samplers.TPESampler(seed=self.seed, constant_liar=True)

    def _pruner(self, optuna: Any) -> Any:
        if self.pruner == "median":
            return optuna.pruners.MedianPruner()
        if self.pruner == "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR)
        return optuna.pruners.NopPruner()


def _choose(trial: Any, combinations: Any) -> Combination:
    """Return the combination that a trial of Optuna asks for.

    Numbers, in ascending order, are chosen by their place, everything else as a category.
    """
    values = []
    for i, column in enumerate(zip(*combinations, strict=True)):
        options = list(dict.fromkeys(column))
        if all(isinstance(option, (int, float)) for option in options):
            options.sort()
            values.append(options[trial.suggest_int(f"setting {i}", 0, len(options) - 1)])
        else:
            values.append(options[trial.suggest_categorical(f"setting {i}", tuple(range(len(options))))])
    return tuple(values)
