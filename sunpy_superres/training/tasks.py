"""
The stages of training as Lightning modules.

Every random number of a step comes from the seed and the number of the step: a run that was interrupted
goes on as if it had not been.
"""

import math

import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from sunpy_superres.models.diffusion import interpolate, sample_times
from sunpy_superres.training import losses
from sunpy_superres.training.images import ImageBatch, ImagePool
from sunpy_superres.training.patches import Batch, open_pools

__all__ = ["STAGES", "AutoencoderTask", "FeaturesTask", "FlowTask", "ImagesTask", "RegressionTask", "Task"]


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
    #: Opens the data of a recipe: a function of recipe, options, model, folders and device that returns two pools, the
    #: second `None` where there is no folder.
    open_pools = staticmethod(open_pools)

    def __init__(self, model, pool, validation, options, seed):
        super().__init__()
        self._model = [model]  # in a list: its other parts belong to no checkpoint of this stage
        self._pools = (pool, validation)
        self.options = options
        self.seed = seed
        self._block = (None, ())
        if not self.parts:
            self.parts = tuple(name for name, _ in model.named_children())
        self.trained = torch.nn.ModuleDict({part: getattr(model, part) for part in self.parts})
        self.average = AveragedModel(self.trained, multi_avg_fn=_moving_average(options.ema))

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

    def loss(self, digest, generator):
        """
        Loss on what `digest` returns; and a dictionary of figures to log.
        """
        raise NotImplementedError

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
        return tuple(part[chosen] for part in block), generator

    def training_step(self, _, index):
        """
        Draw the patches of this step and return their loss.
        """
        digest, generator = self._batch(self.global_step)
        loss, figures = self.loss(digest, generator)
        for name, value in {"loss": loss.detach(), **figures}.items():
            self.log(name, value, batch_size=self.options.batch)
        return loss

    def on_train_batch_end(self, *_):
        """
        Update the moving average of the weights.
        """
        self.average.update_parameters(self.trained)

    def validation_step(self, index, _):
        """
        Figures of the averaged weights on fixed patches of the validation fields.
        """
        batch_number = int(index)
        generator = self.generator(batch_number, 2**31)
        batch = self.draw(self._pools[1], generator)
        kept = {name: getattr(self.model, name) for name in self.parts}
        try:
            for name in self.parts:
                setattr(self.model, name, self.average.module[name])
            loss, figures = self.loss(self.digest(batch), generator)
        finally:
            for name, part in kept.items():
                setattr(self.model, name, part)
        for name, value in {"loss": loss, **figures}.items():
            self.log(f"validation_{name}", value, batch_size=self.options.batch)

    def configure_optimizers(self):
        """
        AdamW; warm-up, then half a cosine down to a hundredth.
        """
        options = self.options
        optimizer = torch.optim.AdamW(
            self.trained.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )

        def rate(step):
            warm = min(1.0, (step + 1) / options.warmup)
            return warm * (0.505 + 0.495 * math.cos(math.pi * min(1.0, step / options.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def finish(self):
        """
        Put the averaged weights into the model.
        """
        for name in self.parts:
            getattr(self.model, name).load_state_dict(self.average.module[name].state_dict())


class AutoencoderTask(Task):
    """
    Round trip of the truth.
    """

    parts = ("autoencoder",)

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        batch = Batch(*digest)
        found = self.model.autoencoder(batch.truth)
        inner = slice(self.model.autoencoder.factor, -self.model.autoencoder.factor)
        error = (found - batch.truth)[..., inner, inner]
        return losses.autoencoder_loss(found, batch.truth), {"rms_gauss": error.detach().square().mean().sqrt()}


class RegressionTask(Task):
    """
    The learned mean, and the local scale of what is drawn: of what the mean leaves, or of the field.
    """

    parts = ("regression",)

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        batch = Batch(*digest)
        estimate, log_scale = self.model.estimate(batch.field, batch.radius)
        with torch.no_grad():
            drawn = self.model.autoencoder.encode(batch.truth - self.model.base(estimate))
        window = F.max_pool2d(batch.window, self.model.latent_cells)
        scale = losses.scale_loss(drawn, log_scale, window)
        # Without a learned mean this is a constant, there to be looked at.
        loss = losses.regression_loss(estimate, batch.truth, batch.field, batch.window)
        figures = {"scale": scale.detach(), "rms_gauss": (estimate - batch.truth).detach().square().mean().sqrt()}
        return loss + self.options.scale_weight * scale, figures


class FlowTask(Task):
    """
    The flow from noise to the latents of what is drawn, divided by their local scale.
    """

    parts = ("condition", "denoiser")

    def digest(self, batch):
        """
        Latents over their scale, what is known, and the window on the latent grid: the frozen parts run once.
        """
        model = self.model
        estimate, scale, known = model.describe(batch.field, batch.radius)
        window = F.max_pool2d(batch.window, model.latent_cells)
        data = model.autoencoder.encode(batch.truth - model.base(estimate)) / scale
        # Against steps that the tails would make too long: one run without a bound, and at a higher learning rate,
        # collapsed to zero output; which of the two did it was not found out.
        return data.clamp(-10, 10) * window, known, window

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        data, known, window = digest
        noise = torch.randn(data.shape, generator=generator, device=data.device) * window
        law = {"location": self.options.time_location, "spread": self.options.time_spread}
        time = sample_times(len(data), generator=generator, device=data.device, **law)
        x, velocity = interpolate(data, noise, time)
        return losses.flow_loss(self.model.denoiser(x, time, self.model.condition(known)), velocity, window), {}


class NetworkTask(Task):
    """
    A deterministic network from the coarse to the fine field.
    """

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        batch, options = Batch(*digest), self.options
        found = self.model(batch.field, batch.radius).float() * _on_fine_grid(batch)
        coefficients = {name: getattr(options, name) for name in ("gradient", "histogram", "ssim")}
        loss = losses.conversion_loss(found, batch.truth, self.model.unit, **coefficients)
        return loss, {"rms_gauss": (found - batch.truth).detach().square().mean().sqrt()}


class StepsTask(Task):
    """
    A network that enlarges in two steps, each held against the truth on its grid.
    """

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        batch = Batch(*digest)
        middle, fine = self.model.steps_of(batch.field, batch.radius)
        loss = losses.regression_loss(fine.float(), batch.truth, batch.field, batch.window)
        coarse = F.avg_pool2d(batch.truth, 2)
        loss = loss + self.options.middle * losses.regression_loss(middle.float(), coarse, batch.field, batch.window)
        error = (fine.detach() - batch.truth) * _on_fine_grid(batch)
        return loss, {"rms_gauss": error.square().mean().sqrt()}


class ImagesTask(Task):
    """
    The flow from noise to whole images, given their class, their flux and the disk.
    """

    @staticmethod
    def open_pools(recipe, options, model, data, validation, device):
        """
        The images of a recipe; see `Task.open_pools`.
        """
        pools = [
            ImagePool(folder, augmentation=recipe.augmentation, exclude=recipe.exclude, device=device)
            for folder in (data, validation)
            if folder
        ]
        for pool in pools:
            if (pool.size, pool.scaling) != (model.size, model.scaling):
                msg = (
                    f"The recipe {recipe.name!r} is trained on images of {model.size} pixels in {model.scaling} "
                    f"scaling, and the data have {pool.size} pixels in {pool.scaling} scaling."
                )
                raise ValueError(msg)
            low, high = model.radii if model.purpose == "generate" else (0, math.inf)
            found = pool.disks[:, 2]
            if not (0.99 * low <= found.min() and found.max() <= 1.01 * high):
                msg = (
                    f"The recipe {recipe.name!r} is for solar radii of {low:.1f} to {high:.1f} pixels, and the data "
                    f"have {found.min():.1f} to {found.max():.1f}: put those into the recipe as radii, and the plate "
                    "scale as scale."
                )
                raise ValueError(msg)
        return (*pools, None)[:2]

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        batch, model, options = ImageBatch(*digest), self.model, self.options
        data = model.encode(batch.image).contiguous(memory_format=torch.channels_last)
        noise = torch.randn(data.shape, generator=generator, device=data.device)
        law = {"location": options.time_location, "spread": options.time_spread}
        time = sample_times(len(data), generator=generator, device=data.device, **law)
        x, velocity = interpolate(data, noise, time)
        found = model(x, time, model.condition(batch.label, batch.flux), model.coordinates(batch.disk))
        return (found - velocity).square().mean(), {}


class FeaturesTask(ImagesTask):
    """
    Features that tell one image from all others, whichever way it is turned and mirrored, and that hold its X-ray flux.
    """

    def draw(self, pool, generator):
        """
        The same images twice, varied in two ways.
        """
        state = generator.get_state()
        first = pool.draw(self.options.batch, generator)
        chosen = pool.choose(self.options.batch, generator.set_state(state))
        return first.image, pool.vary(chosen, generator.manual_seed(int(chosen.sum()))).image, first.flux

    def loss(self, digest, generator):
        """
        See `Task.loss`.
        """
        first, second, flux = digest
        found = losses.contrastive_loss(*(self.model.project(image) for image in (first, second)))
        known = torch.isfinite(flux)
        error = torch.where(known, self.model.flux(first) - flux, 0.0).square().sum() / known.sum().clamp(min=1)
        return found + self.options.flux_weight * error, {"flux": error.detach(), "contrast": found.detach()}


def _on_fine_grid(batch):
    factor = batch.truth.shape[-1] // batch.window.shape[-1]
    return F.interpolate(batch.window, scale_factor=factor)


#: Tasks of the stages by name.
STAGES = {
    "autoencoder": AutoencoderTask,
    "regression": RegressionTask,
    "flow": FlowTask,
    "network": NetworkTask,
    "steps": StepsTask,
    "images": ImagesTask,
    "features": FeaturesTask,
}
