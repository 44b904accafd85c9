"""The strategies of Levenberg-Marquardt in the config: short forms, code of the user's own, defaults."""

import pytest

from lmrun.config.document import parse
from lmrun.config.dump import to_yaml
from lmrun.config.json_schema import json_schema
from lmrun.config.load import load_config, validate
from lmrun.config.schema import Config, resolve
from lmrun.errors import ConfigError


def optimizer(text, *more):
    document = parse("\n".join(["dataset: sinc", "model: mlp", f"optimizer: {text}", *more]), "c")
    return resolve(validate(document)).optimizer


def test_names_stand_for_sections():
    short = optimizer("{name: lm, damping: {scaling: more}, acceptance: gain-ratio}")
    long = "{name: lm, damping: {scaling: {name: more}}, acceptance: {name: gain-ratio, threshold: 1e-4}}"
    assert short == optimizer(long)
    assert short.acceptance.threshold == 1e-4


@pytest.mark.parametrize(
    ("update", "values"),
    [
        ("factor", {"initial": 1e-3, "increase": 10, "decrease": 10, "minimum": 1e-20, "maximum": 1e20}),
        ("delayed-gratification", {"initial": 1e-3, "increase": 2, "decrease": 5}),
        ("nielsen", {"initial": 1e-3}),
        ("trust-region", {"initial_radius": 100}),
        ("constant, value: 0", {"value": 0}),
    ],
)
def test_every_update_has_its_defaults(update, values):
    damping = optimizer(f"{{name: lm, damping: {{update: {update}}}}}").damping
    written = damping.model_dump()
    assert written == {**written, **values}
    assert written["scaling"] == {"name": "identity"}


def test_conjugate_gradients_have_keys():
    assert optimizer("{name: lm, solver: cg}") == optimizer("{name: lm, solver: {name: cg, progress: 0.03}}")
    solver = optimizer("{name: gauss-newton, solver: {name: cg, tolerance: 1e-3, max_products: 50}}").solver
    assert solver.model_dump() == {"name": "cg", "tolerance": 1e-3, "progress": 0.03, "max_products": 50}
    assert optimizer("lm").solver.name == "auto"


USER = """\
dataset: sinc
model: mlp
optimizer:
  name: lm
  damping: {update: my_package.mine:Update, share: 1e-3, table: {a: [1, x]}, scaling: "mine.py:Scale"}
  acceptance: {name: "mine:accept", level: null}
"""


def test_code_of_the_users_own_keeps_its_keys():
    config = resolve(validate(parse(USER, "c")))
    damping = config.optimizer.damping
    assert damping.update == "my_package.mine:Update"
    assert damping.arguments == {"share": 1e-3, "table": {"a": [1, "x"]}}
    assert (damping.scaling.name, damping.scaling.arguments) == ("mine.py:Scale", {})
    assert config.optimizer.acceptance.arguments == {"level": None}
    assert resolve(validate(parse(to_yaml(config), "again"))) == config
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_a_file_is_made_absolute_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "my_package").mkdir(parents=True)
    (tmp_path / "configs" / "my_package" / "mine.py").write_text("raise SystemExit  # is not imported\n")
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "configs" / "c.yaml").write_text(USER)
    lm = load_config("configs/c.yaml").config.optimizer
    assert lm.damping.update == f"{tmp_path}/configs/my_package/mine.py:Update"
    # A file beside the config, also where there is none yet; a module there or in the working directory.
    assert lm.damping.scaling.name == f"{tmp_path}/configs/mine.py:Scale"
    assert lm.acceptance.name == f"{tmp_path}/mine.py:accept"
    override = "optimizer.damping.scaling=mine.py:Other"
    lm = load_config("configs/c.yaml", [override, "optimizer.acceptance.name=elsewhere:A"]).config.optimizer
    assert lm.damping.scaling.name == f"{tmp_path}/mine.py:Other"
    assert lm.acceptance.name == "elsewhere:A"


def test_overrides_go_inside_a_short_form(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "dataset: sinc\nmodel: mlp\noptimizer: {name: lm, damping: {scaling: more}, acceptance: gain-ratio}\n"
    )
    overrides = ["optimizer.acceptance.threshold=0.1", "optimizer.damping.scaling.name=marquardt"]
    lm = load_config(str(tmp_path / "c.yaml"), overrides).config.optimizer
    assert (lm.acceptance.threshold, lm.damping.scaling.name) == (0.1, "marquardt")


@pytest.mark.parametrize(
    ("more", "acceleration"),
    [
        ((), "geodesic"),
        (("loss: huber",), "geodesic"),
        (("loss: mae",), "geodesic"),
        (("precision: float32",), "none"),
    ],
)
def test_acceleration_is_left_out(more, acceleration):
    assert optimizer("lm", *more).acceleration == acceleration
    assert optimizer("{name: lm, acceleration: none}", *more).acceleration == "none"
    assert optimizer("{name: lm, acceleration: geodesic}", *more).acceleration == "geodesic"


def test_classes_are_not_accelerated():
    config = validate(parse("dataset: mnist\nmodel: mlp\n", "c"))
    assert resolve(config).optimizer.acceleration == "none"


FORMULA = """
dataset: {name: table, path: t.csv, inputs: [x], targets: [y]}
model: {name: formula, expression: a*x, parameters: {a: 1}}
"""


def resolved(text):
    config = resolve(validate(parse(text, "c")))
    assert resolve(config) == config
    lm = config.optimizer
    return lm.solver.name, lm.damping.update, lm.damping.scaling.name, lm.polishing


def test_formulas_have_defaults_of_their_own():
    assert resolved(FORMULA) == ("qr", "trust-region", "typical", "undamped")
    tolerances = resolve(validate(parse(FORMULA, "c"))).training
    assert (tolerances.gradient_tolerance, tolerances.step_tolerance) == (0, 0)
    said = "optimizer: {name: lm, solver: auto, damping: {update: nielsen}, polishing: none}"
    assert resolved(FORMULA + said) == ("auto", "nielsen", "typical", "none")
    said = "optimizer: {name: lm, damping: {update: nielsen, scaling: more}}"
    assert resolved(FORMULA + said) == ("qr", "nielsen", "more", "undamped")
    others = ("auto", "nielsen", "identity", "none")
    assert resolved(FORMULA + "training: {batch_size: 5}") == others
    assert resolved(FORMULA + "optimizer: {name: lm, rows: 0.5}") == others
    assert resolved("dataset: sinc\nmodel: mlp\n") == others


def test_polishing_is_for_steps_by_all_rows_and_parameters():
    with pytest.raises(
        ConfigError, match=r"polishing: is for steps by all rows and parameters; leave out rows"
    ):
        validate(
            parse("dataset: sinc\nmodel: mlp\noptimizer: {name: lm, polishing: undamped, rows: 0.5}", "c")
        )


def test_json_schema():
    definitions = json_schema()["$defs"]
    names, pattern, sections = definitions["LmConfig"]["properties"]["acceptance"]["anyOf"]
    assert names["enum"] == ["decrease", "gain-ratio"]
    assert pattern["pattern"]
    assert {"$ref": "#/$defs/UserStrategy"} in sections["oneOf"]
    assert definitions["UserStrategy"]["additionalProperties"] is True
    assert definitions["FactorDamping"]["properties"]["scaling"]["anyOf"][0]["enum"] == [
        "identity",
        "marquardt",
        "more",
        "typical",
    ]


@pytest.mark.parametrize("name", ["my.Class", "./my.py"])
def test_a_name_that_was_to_be_code(name):
    with pytest.raises(ConfigError, match=r"Code of your own is named module:attribute or file\.py:"):
        optimizer(f"{{name: lm, damping: {{update: {name}}}}}")
