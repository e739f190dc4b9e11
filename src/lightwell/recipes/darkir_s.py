from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

recipe = Recipe(
    name="darkir-s",
    model="darkir-s",
    seed=1,
    ema=0.998,
    validate_every=500,
    save_every=250,
    stages=(
        Stage(
            "frames",
            steps=2600,
            views=(
                View((96, 144), batch=8, zoom=(0.6, 1.0), sampling="nearest", weight=2),
                View((96, 144), batch=8, zoom=(0.6, 1.0), weight=1),
                View((136, 200), batch=8, zoom=(0.6, 1.0), sampling="nearest", weight=2),
                View((200, 304), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((256, 384), batch=2, weight=1),
            ),
            losses={"l1": 1.0, "region_l1": 0.5, "log_mse": 0.02, "color_angle": 0.2, "edge": 5.0, "guide": 0.2},
            lr=1e-3,
            synthetic=0.3,
            exposure=0.5,
        ),
    ),
)
