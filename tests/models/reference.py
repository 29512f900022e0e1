"""
The two published networks once more, in NumPy and with the authors' names and layouts of the weights.

Written from their description and not from the package: what both compute alike is right, or twice misread.
"""

import numpy as np

#: Names of the weights of `sunpy_superres.models.highresnet.HighResNet`, and the authors'.
HIGHRESNET_NAMES = {
    "stem.conv.weight": "encode.init_layer.1.weight",
    "stem.conv.bias": "encode.init_layer.1.bias",
    "stem.activation.weight": "encode.init_layer.3.weight",
    "blocks.0.first.conv.weight": "encode.res_layers.0.block.1.weight",
    "blocks.0.first.conv.bias": "encode.res_layers.0.block.1.bias",
    "blocks.0.first.activation.weight": "encode.res_layers.0.block.2.weight",
    "blocks.0.second.conv.weight": "encode.res_layers.0.block.4.weight",
    "blocks.0.second.conv.bias": "encode.res_layers.0.block.4.bias",
    "blocks.0.second.activation.weight": "encode.res_layers.0.block.6.weight",
    "blocks.1.first.conv.weight": "encode.res_layers.1.block.1.weight",
    "blocks.1.first.conv.bias": "encode.res_layers.1.block.1.bias",
    "blocks.1.first.activation.weight": "encode.res_layers.1.block.2.weight",
    "blocks.1.second.conv.weight": "encode.res_layers.1.block.4.weight",
    "blocks.1.second.conv.bias": "encode.res_layers.1.block.4.bias",
    "blocks.1.second.activation.weight": "encode.res_layers.1.block.6.weight",
    "features.weight": "encode.final.1.weight",
    "features.bias": "encode.final.1.bias",
    "fine.conv.weight": "decode.deconv.2.weight",
    "fine.conv.bias": "decode.deconv.2.bias",
    "fine.activation.weight": "decode.deconv.4.weight",
    "out.weight": "decode.final.1.weight",
    "out.bias": "decode.final.1.bias",
}

#: Layers of `sunpy_superres.models.enhance.Enhance`, and those of Keras, in the order of the network.
ENHANCE_LAYERS = {
    "stem": "conv2d_1",
    "blocks.0.first": "conv2d_2",
    "blocks.0.first_norm": "batch_normalization_1",
    "blocks.0.second": "conv2d_3",
    "blocks.0.second_norm": "batch_normalization_2",
    "blocks.1.first": "conv2d_4",
    "blocks.1.first_norm": "batch_normalization_3",
    "blocks.1.second": "conv2d_5",
    "blocks.1.second_norm": "batch_normalization_4",
    "blocks.2.first": "conv2d_6",
    "blocks.2.first_norm": "batch_normalization_5",
    "blocks.2.second": "conv2d_7",
    "blocks.2.second_norm": "batch_normalization_6",
    "blocks.3.first": "conv2d_8",
    "blocks.3.first_norm": "batch_normalization_7",
    "blocks.3.second": "conv2d_9",
    "blocks.3.second_norm": "batch_normalization_8",
    "blocks.4.first": "conv2d_10",
    "blocks.4.first_norm": "batch_normalization_9",
    "blocks.4.second": "conv2d_11",
    "blocks.4.second_norm": "batch_normalization_10",
    "last": "conv2d_12",
    "last_norm": "batch_normalization_11",
    "fine": "conv2d_13",
    "out": "conv2d_14",
}


def mirrored(x):
    return np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="reflect")


def convolved(x, kernel, bias):
    """
    Correlation of (channels, y, x) with a kernel (rows, columns, inputs, outputs), at the pixels where it fits.
    """
    rows, columns = kernel.shape[:2]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    out = np.zeros((kernel.shape[3], height, width)) + bias[:, None, None]
    for row in range(rows):
        for column in range(columns):
            taps = x[:, row : row + height, column : column + width]
            out += np.tensordot(kernel[row, column], taps, axes=(0, 0))
    return out


def bilinear(x, factor):
    """
    Enlargement about pixel centers; beyond the first and the last center the edge goes on.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        position = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        below = np.floor(position).astype(int)
        above = np.minimum(below + 1, size - 1)
        weight = (position - below).reshape([-1 if n == axis else 1 for n in range(3)])
        x = np.take(x, below, axis) * (1 - weight) + np.take(x, above, axis) * weight
    return x


def highresnet(field, radius, weights, factor):
    """
    The converter: field in the gauss that it was trained on, radius in solar radii, arrays (y, x).
    """
    weights = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}

    def conv(x, name):
        return convolved(x, weights[f"{name}.weight"].transpose(2, 3, 1, 0), weights[f"{name}.bias"])

    def prelu(x, name):
        return np.where(x > 0, x, weights[f"{name}.weight"] * x)

    x = np.stack([radius, field / 3500])
    x = prelu(conv(mirrored(x), "encode.init_layer.1"), "encode.init_layer.3")
    for block in ("encode.res_layers.0.block", "encode.res_layers.1.block"):
        y = prelu(conv(mirrored(x), f"{block}.1"), f"{block}.2")
        x = x + prelu(conv(mirrored(y), f"{block}.4"), f"{block}.6")
    x = bilinear(conv(mirrored(x), "encode.final.1"), factor)
    x = prelu(conv(mirrored(x), "decode.deconv.2"), "decode.deconv.4")
    return conv(x, "decode.final.1")[0] * 3500


def enhance(image, weights):
    """
    Enhance: image (y, x) in its own unit; ``weights["conv2d_1"]["kernel"]`` and so on, channels last.
    """
    weights = {
        layer: {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
        for layer, arrays in weights.items()
    }

    def conv(x, number):
        arrays = weights[f"conv2d_{number}"]
        return convolved(x, arrays["kernel"], arrays["bias"])

    def normalized(x, number):
        arrays = weights[f"batch_normalization_{number}"]
        gamma, beta, mean, variance = (
            arrays[name][:, None, None] for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 0.001) + beta

    first = x = np.maximum(conv(mirrored(image[None]), 1), 0)
    for i in range(1, 6):
        y = np.maximum(normalized(conv(mirrored(x), 2 * i), 2 * i - 1), 0)
        x = x + normalized(conv(mirrored(y), 2 * i + 1), 2 * i)
    x = first + normalized(conv(mirrored(x), 12), 11)
    x = x.repeat(2, axis=1).repeat(2, axis=2)
    return conv(np.maximum(conv(mirrored(x), 13), 0), 14)[0]
