"""
The stages that train on patches of magnetograms and continuum images.
"""

import torch
from torch.nn import functional as F

from sunpy_superres.models.diffusion import interpolate, solve
from sunpy_superres.training import losses
from sunpy_superres.training.patches import Batch
from sunpy_superres.training.task import SHOWN, Task, noise_and_times

__all__ = ["AutoencoderTask", "FlowTask", "NetworkTask", "RegressionTask", "StepsTask"]


class AutoencoderTask(Task):
    """
    Round trip of the truth.
    """

    needs = ("autoencoder",)
    parts = ("autoencoder",)

    def loss(self, digest):
        """
        See `Task.loss`.
        """
        batch = Batch(*digest)
        found = self.model.autoencoder(batch.truth)
        # What lies beyond the edge of a patch is not known.
        inner = slice(self.model.autoencoder.factor, -self.model.autoencoder.factor)
        error = (found - batch.truth)[..., inner, inner]
        return losses.autoencoder_loss(found, batch.truth), {"rms_gauss": error.detach().square().mean().sqrt()}

    def look(self, pool, generator):
        """
        Round trips, and a hundred times what they lose.
        """
        truth = pool.draw(SHOWN, generator).truth
        found = self.model.autoencoder(truth)
        shown = {"decoded": found, "100 x the loss": 100 * (found - truth), "truth": truth}
        return [[(title, images[i, 0]) for title, images in shown.items()] for i in range(SHOWN)]


class RegressionTask(Task):
    """
    The learned mean, and the local scale of what is drawn: of what the mean leaves, or of the field.
    """

    needs = ("regression", "estimate")
    parts = ("regression",)

    def loss(self, digest):
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

    def look(self, pool, generator):
        """
        The input and the estimate.
        """
        batch = pool.draw(SHOWN, generator)
        return _rows(batch, estimate=self.model.estimate(batch.field, batch.radius)[0])


class FlowTask(Task):
    """
    The flow from noise to the latents of what is drawn, divided by their local scale.
    """

    needs = ("denoiser", "condition")
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

    def randomize(self, digest, generator):
        """
        Noise and times besides.
        """
        data, _, window = digest
        noise, time = noise_and_times(data, self.options, generator)
        return *digest, noise * window, time

    def loss(self, digest):
        """
        See `Task.loss`.
        """
        data, known, window, noise, time = digest
        x, velocity = interpolate(data, noise, time)
        return losses.flow_loss(self.model.denoiser(x, time, self.model.condition(known)), velocity, window), {}

    def look(self, pool, generator):
        """
        The input, the estimate and one draw.
        """
        batch, model = pool.draw(SHOWN, generator), self.model
        estimate, scale, known = model.describe(batch.field, batch.radius)
        window = F.max_pool2d(batch.window, model.latent_cells)
        condition = model.condition(known)

        def noise():
            return torch.randn(scale.shape, generator=generator, device=scale.device) * window

        def velocity(x, time):
            return model.denoiser(x, torch.full((len(x),), float(time), device=x.device), condition)

        settings = {"steps": model.steps, "solver": model.solver, "shift": model.shift}
        x = solve(velocity, noise(), noises=iter(noise, None), **settings)
        drawn = model.base(estimate) + model.autoencoder.decode(model.spread * scale * x)
        return _rows(batch, estimate=estimate, draw=drawn)


class NetworkTask(Task):
    """
    A deterministic network from the coarse to the fine field.
    """

    needs = ("unit", "reach")

    def loss(self, digest):
        """
        See `Task.loss`.
        """
        batch, options = Batch(*digest), self.options
        found = self.model(batch.field, batch.radius).float() * _on_fine_grid(batch)
        coefficients = {name: getattr(options, name) for name in ("gradient", "histogram", "ssim")}
        loss = losses.conversion_loss(found, batch.truth, self.model.unit, **coefficients)
        return loss, {"rms_gauss": (found - batch.truth).detach().square().mean().sqrt()}

    def look(self, pool, generator):
        """
        The input and the result.
        """
        batch = pool.draw(SHOWN, generator)
        return _rows(batch, result=self.model(batch.field, batch.radius).float() * _on_fine_grid(batch))


class StepsTask(NetworkTask):
    """
    A network that enlarges in two steps, each held against the truth on its grid.
    """

    needs = ("steps_of",)

    def loss(self, digest):
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


def _rows(batch, **shown):
    """
    Rows of panels: the input, what was made of it, and the truth.
    """
    shown = {"input": F.interpolate(batch.field, batch.truth.shape[-2:]), **shown, "truth": batch.truth}
    return [[(title, images[i, 0]) for title, images in shown.items()] for i in range(SHOWN)]


def _on_fine_grid(batch):
    factor = batch.truth.shape[-1] // batch.window.shape[-1]
    return F.interpolate(batch.window, scale_factor=factor)
