"""The cases of a report: a wipe between prediction and truth, error maps, and the inputs, one figure a target."""

from __future__ import annotations

from collections.abc import Sequence

from midframe.evaluation.report.cases import ERROR_SCALE, Case, CasePictures, error_colours
from midframe.evaluation.report.markup import Markup, tag
from midframe.evaluation.report.results import Comparison

VIEWS = (("wipe", "Wipe"), ("error", "Error"), ("inputs", "Inputs"))


def gallery(
    comparison: Comparison,
    shown: Sequence[tuple[Case, CasePictures]],
    motion: Sequence[str],
    prefix: str,
) -> Markup:
    """All figures of a set.

    Args:
        comparison: The results.
        shown: What to show, with pictures.
        motion: For each case its size of motion in words; "" where it was not measured.
        prefix: Of the names of form controls, which have to differ between the sets of a page.
    """
    figures = [
        _figure(comparison, case, pictures, words, f"{prefix}-{number}")
        for number, ((case, pictures), words) in enumerate(zip(shown, motion, strict=True))
    ]
    return tag("div", *figures, class_="cases")


def error_scale() -> Markup:
    """What the colours of the error maps mean."""
    bar = tag("i", style=f"background: linear-gradient(90deg, {error_colours()})")
    return tag("div", "error 0", bar, f"{ERROR_SCALE} levels of 255 or more", class_="scale")


def _figure(comparison: Comparison, case: Case, pictures: CasePictures, motion: str, name: str) -> Markup:
    first = comparison.results[0]
    target = first.targets[case.position]
    details = [f"at {first.times[case.position]}", motion, f"{pictures.size[0]}x{pictures.size[1]}"]
    if pictures.shown != pictures.size:
        details[-1] += f", shown at {pictures.shown[0]}x{pictures.shown[1]}"
    caption = tag(
        "figcaption",
        tag("div", tag("strong", case.reason), class_="what"),
        tag("div", target, " · ", " · ".join(detail for detail in details if detail), class_="where"),
        tag("div", _methods(comparison, name), _views(name), class_="buttons"),
        _values(comparison, case.position),
    )
    return tag("figure", _stage(comparison, pictures, target), caption, class_="case", id=name)


def _stage(comparison: Comparison, pictures: CasePictures, target: str) -> Markup:
    leader = comparison.results.index(comparison.ranked[0])
    images = [_image(pictures.truth, f"{target}, true frame", data_truth=True)]
    for number, result in enumerate(comparison.results):
        images.append(
            _image(
                pictures.predictions[number], f"{target}, prediction of {result.label}", class_="over",
                data_prediction=number, data_label=result.label, hidden=number != leader,
            )
        )  # fmt: skip
        images.append(
            _image(pictures.errors[number], f"{target}, error of {result.label}", data_error=number, hidden=True)
        )
    images.append(
        _image(pictures.inputs, f"{target}, both inputs, one over the other", data_inputs=True, hidden=True)
    )
    slider = tag(
        "input", type="range", min=0, max=100, step=1, value=50,
        aria_label=f"Wipe between prediction (left) and truth (right) of {target}",
    )  # fmt: skip
    width, height = pictures.shown
    return tag(
        "div",
        *images,
        tag("span", comparison.ranked[0].label, class_="side left"),
        tag("span", "truth", class_="side right"),
        tag("span", class_="handle"),
        slider,
        class_="stage",
        style=f"aspect-ratio: {width} / {height}",
    )


def _image(address: str, text: str, **attributes: object) -> Markup:
    return tag("img", src=address, alt=text, decoding="async", **attributes)


def _methods(comparison: Comparison, name: str) -> Markup:
    """One button for each method; none where there is one method."""
    if len(comparison.results) == 1:
        return Markup("")
    leader = comparison.results.index(comparison.ranked[0])
    buttons = (
        _button(f"{name}-method", result.label, data_method=number, checked=number == leader)
        for number, result in enumerate(comparison.results)
    )
    return tag("fieldset", tag("legend", "Method"), *buttons)


def _views(name: str) -> Markup:
    buttons = (_button(f"{name}-view", title, data_view=view, checked=view == VIEWS[0][0]) for view, title in VIEWS)
    return tag("fieldset", tag("legend", "View"), *buttons)


def _button(name: str, title: str, **attributes: object) -> Markup:
    # Without a script the choice has no effect; the browser must not restore an old one either.
    return tag("label", tag("input", type="radio", name=name, autocomplete="off", **attributes), tag("span", title))


def _values(comparison: Comparison, position: int) -> Markup:
    columns = comparison.frame_columns
    heads = tag("tr", tag("td"), *(tag("th", f"{c.title} {c.unit}".strip(), scope="col") for c in columns))
    rows = (
        tag(
            "tr",
            tag("th", result.label, scope="row"),
            *(tag("td", c.format(result.rows[c.name][position])) for c in columns),
        )
        for result in comparison.ranked
    )
    return tag("div", tag("table", heads, *rows), class_="values")
