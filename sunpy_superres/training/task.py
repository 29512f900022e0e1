"""
What every stage of training has in common, as a Lightning module.

Every random number of a step comes from the seed and the number of the step: a run that was interrupted
goes on as if it had not been.
"""

import math
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import AveragedModel

from sunpy_superres.models.diffusion import sample_times
from sunpy_superres.training.adapters import add_adapters, merged_state, remove_adapters
from sunpy_superres.training.patches import open_pools

__all__ = ["SHOWN", "Task", "noise_and_times"]

#: Patches that are shown in pictures.
SHOWN = 3


def noise_and_times(data, options, generator):
    """
    Noise like the data, and times of the path, shape (n,).
    """
    noise = torch.randn(data.shape, generator=generator, device=data.device)
    law = {"location": options.time_location, "spread": options.time_spread}
    return noise, sample_times(len(data), generator=generator, device=data.device, **law)


def _moving_average(decay):
    """
    Exponential moving average whose memory grows with the run, so that the start is forgotten soon.
    """

    def update(averages, values, count):
        weight = 1 - min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averages, values, weight)

    return update


class Task(pl.LightningModule):
    """
    One stage: a loss on patches, and the parts of the model that it trains.

    Parameters
    ----------
    model : `~sunpy_superres.models.latent_diffusion.LatentDiffusion`
        The whole model; parts that this stage does not train are used as they are.
    pool : `~sunpy_superres.training.patches.PatchPool`
        Training fields.
    validation : `~sunpy_superres.training.patches.PatchPool` or None
        Fields that the stage is watched on.
    options : `~sunpy_superres.training.recipe.Stage`
        Steps, batch, learning rate and so on.
    seed : `int`
        Seed of everything random.
    """

    #: Names of the parts of the model that the stage trains; all of them unless told.
    parts = ()
    #: What a model has to have to be trained so.
    needs = ()
    #: Whether several processes can share a batch.
    shares = True
    #: Opens the data of a recipe: a function of recipe, options, model, folders and device that returns two pools, the
    #: second `None` where there is no folder.
    open_pools = staticmethod(open_pools)

    def __init__(self, model, pool, validation, options, seed):
        super().__init__()
        self._model = [model]  # in a list: its other parts belong to no checkpoint of this stage
        self._pools = (pool, validation)
        self.options = options
        self.seed = seed
        self._place, self._processes = 0, 1
        self._block = (None, ())
        if not self.parts:
            self.parts = tuple(name for name, _ in model.named_children())
        self.trained = torch.nn.ModuleDict({part: getattr(model, part) for part in self.parts})
        model.requires_grad_(False)
        if options.rank:
            add_adapters(self.trained, options.rank)
        else:
            self.trained.requires_grad_(True)
        self.average = AveragedModel(self.trained, multi_avg_fn=_moving_average(options.ema)).requires_grad_(False)

    @property
    def model(self):
        """
        The whole model.
        """
        return self._model[0]

    def draw(self, pool, generator):
        """
        A batch from a pool.
        """
        return pool.draw(self.options.batch, generator)

    def digest(self, batch):
        """
        What of a batch is kept for the steps that use it, as a tuple of tensors (n, ...); the batch itself here.
        """
        return tuple(batch)

    def randomize(self, digest, generator):
        """
        What `digest` returned and what is drawn for it, as a tuple of tensors (n, ...); nothing is drawn here.
        """
        return digest

    def loss(self, digest):
        """
        Loss on what `randomize` returns; and a dictionary of figures to log.
        """
        raise NotImplementedError

    def panels(self):
        """
        What the averaged weights make of fixed patches: rows of (title, image), the truth last; none where there is
        nothing to look at.
        """
        pool = self._pools[1] or self._pools[0]
        with self._averaged(), torch.no_grad():
            return self.look(pool, self.generator(2**29))

    def look(self, pool, generator):
        """
        See `panels`.
        """
        return []

    def generator(self, *numbers):
        """
        Random numbers that depend on the seed and the given numbers only.
        """
        state = self.seed
        for number in numbers:
            state = (state * 6364136223846793005 + number + 1442695040888963407) % 2**63
        return torch.Generator(self._pools[0].device).manual_seed(state)

    def setup(self, stage):
        """
        Move the parts that are used but not trained to the device.
        """
        self._place, self._processes = self.trainer.global_rank, self.trainer.world_size
        if self._processes > 1 and not self.shares:
            msg = f"{type(self).__name__} compares all images of a batch with each other: train it on one process."
            raise ValueError(msg)
        if self.options.batch % self._processes:
            msg = f"A batch of {self.options.batch} cannot be shared by {self._processes} processes alike."
            raise ValueError(msg)
        device = self._pools[0].device
        self.model.to(device)
        for module in (self.model, self.average):
            module.to(memory_format=torch.channels_last)

    def _batch(self, step):
        """
        The patches of a step: a choice from a block of patches that serves several steps.
        """
        options = self.options
        number = step // (options.block * options.reuse)
        if number != self._block[0]:
            generator = self.generator(number, 2**30)
            with torch.no_grad():
                pieces = [self.digest(self.draw(self._pools[0], generator)) for _ in range(options.block)]
            self._block = (number, tuple(torch.cat(parts) for parts in zip(*pieces, strict=True)))
        block = self._block[1]
        generator = self.generator(step)
        chosen = torch.randperm(len(block[0]), generator=generator, device=block[0].device)[: options.batch]
        # What a network draws by itself, as dropout does, must not depend on how often the run was interrupted.
        torch.manual_seed((generator.initial_seed() + self._place) % 2**63)
        digest = self.randomize(tuple(part[chosen] for part in block), generator)
        # Every process draws the whole batch and computes its share: where the loss is an average over the batch, the
        # result is that of one process.
        return tuple(part[self._place :: self._processes] for part in digest)

    def training_step(self, _, index):
        """
        Draw the patches of this step and return their loss.
        """
        loss, figures = self.loss(self._batch(self.global_step))
        if not torch.isfinite(loss):
            msg = f"The loss is not finite at step {self.global_step}: lower the learning rate of the stage."
            raise RuntimeError(msg)
        for name, value in {"loss": loss.detach(), **figures}.items():
            self.log(name, value, batch_size=self.options.batch, sync_dist=self._processes > 1)
        return loss

    def optimizer_step(self, *arguments, **options):
        """
        Update the weights and their moving average, before any callback writes a checkpoint.
        """
        super().optimizer_step(*arguments, **options)
        self.average.update_parameters(self.trained)

    def validation_step(self, index, _):
        """
        Figures of the averaged weights on fixed patches of the validation fields.
        """
        batch_number = int(index)
        generator = self.generator(batch_number, 2**31)
        batch = self.draw(self._pools[1], generator)
        with self._averaged():
            loss, figures = self.loss(self.randomize(self.digest(batch), generator))
        for name, value in {"loss": loss, **figures}.items():
            self.log(f"validation_{name}", value, batch_size=self.options.batch)

    @contextmanager
    def _averaged(self):
        """
        The model with the averaged weights, and as it is used, not as it is trained.
        """
        kept = {name: getattr(self.model, name) for name in self.parts}
        mode = self.model.training
        try:
            for name in self.parts:
                setattr(self.model, name, self.average.module[name])
            self.model.eval()
            yield
        finally:
            for name, part in kept.items():
                setattr(self.model, name, part)
            self.model.train(mode)

    def configure_optimizers(self):
        """
        AdamW; warm-up, then half a cosine down to a hundredth.
        """
        options = self.options
        trained = [part for part in self.trained.parameters() if part.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, weight_decay=options.weight_decay)

        def rate(step):
            warm = min(1.0, (step + 1) / options.warmup)
            return warm * (0.505 + 0.495 * math.cos(math.pi * min(1.0, step / options.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def finish(self):
        """
        Put the averaged weights into the model, adapters merged.
        """
        for name in self.parts:
            found = merged_state(self.average.module[name])
            remove_adapters(getattr(self.model, name))
            getattr(self.model, name).load_state_dict(found)
