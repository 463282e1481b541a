# SPDX-License-Identifier: Apache-2.0
"""The strict parser refuses what it must, and the golden files pass it and promtool."""

import pathlib
import subprocess

import pytest

import exposition

DATA = pathlib.Path(__file__).resolve().parents[1] / "unit/data/surface"

COUNTER = "# HELP a_total A\n# TYPE a_total counter\n"
GAUGE = "# HELP b B\n# TYPE b gauge\n"
HISTOGRAM = "# HELP h H\n# TYPE h histogram\n"
GOOD_HISTOGRAM = HISTOGRAM + (
    'h_bucket{le="0.5"} 1\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 3\nh_sum 9.5\nh_count 3\n'
)
SUMMARY = "# HELP s S\n# TYPE s summary\n"

BAD_TEXT = {
    "no end of line": GAUGE + "b 1",
    "a carriage return": GAUGE + "b 1\r\n",
    "a blank line": GAUGE + "b 1\n\n",
    "another comment": "# what is this\n" + GAUGE + "b 1\n",
    "a comment without a space": "#HELP b B\n" + "# TYPE b gauge\nb 1\n",
    "no TYPE": "# HELP b B\nb 1\n",
    "no HELP": "# TYPE b gauge\nb 1\n",
    "an empty HELP": "# HELP b  \n# TYPE b gauge\nb 1\n",
    "no comments at all": "b 1\n",
    "no samples": GAUGE,
    "two TYPEs": GAUGE + "# TYPE b gauge\nb 1\n",
    "two HELPs": "# HELP b B\n" + GAUGE + "b 1\n",
    "TYPE after a sample": "# HELP b B\n# TYPE b gauge\nb 1\n# TYPE b gauge\n",
    "an unknown type": "# HELP b B\n# TYPE b gauges\nb 1\n",
    "a type of OpenMetrics": "# HELP b B\n# TYPE b info\nb_info 1\n",
    "a unit in the text format": "# HELP b B\n# TYPE b gauge\n# UNIT b b\nb 1\n",
    "a split family": GAUGE + "b 1\n" + COUNTER + "a_total 1\n" + 'b{x="y"} 2\n',
    "a family that comes again": GAUGE + "b 1\n" + COUNTER + "a_total 1\n" + GAUGE + 'b{x="y"} 2\n',
    "a sample of no family": GAUGE + "b 1\nc 1\n",
    "the same sample twice": GAUGE + "b 1\nb 1\n",
    "the same labels in another order": GAUGE + 'b{x="1",y="2"} 1\nb{y="2",x="1"} 1\n',
    "a label twice": GAUGE + 'b{x="1",x="2"} 1\n',
    "a reserved label": GAUGE + 'b{__x="1"} 1\n',
    "a label with a dash": GAUGE + 'b{x-y="1"} 1\n',
    "empty braces": GAUGE + "b{} 1\n",
    "a comma at the end": GAUGE + 'b{x="1",} 1\n',
    "a space between labels": GAUGE + 'b{x="1", y="2"} 1\n',
    "a value without quotes": GAUGE + "b{x=1} 1\n",
    "an open value": GAUGE + 'b{x="1} 1\n',
    "an open brace": GAUGE + 'b{x="1" 1\n',
    "a bad escape in a label": GAUGE + 'b{x="\\t"} 1\n',
    "a bad escape in HELP": "# HELP b \\x\n# TYPE b gauge\nb 1\n",
    "an escaped quote in HELP": '# HELP b \\"B\\"\n# TYPE b gauge\nb 1\n',
    "a backslash at the end of HELP": "# HELP b B\\\n# TYPE b gauge\nb 1\n",
    "a name with a dash": "# HELP b-c B\n# TYPE b-c gauge\nb-c 1\n",
    "two spaces": GAUGE + "b  1\n",
    "a space at the end": GAUGE + "b 1 \n",
    "a timestamp": GAUGE + "b 1 1700000000000\n",
    "a plus": GAUGE + "b +1\n",
    "a hexadecimal number": GAUGE + "b 0x10\n",
    "an underscore": GAUGE + "b 1_000\n",
    "a word": GAUGE + "b one\n",
    "inf without a sign": GAUGE + "b inf\n",
    "no number": GAUGE + "b \n",
    "a comma in a number": GAUGE + "b 1,5\n",
    "a counter without _total": "# HELP a A\n# TYPE a counter\na 1\n",
    "a gauge with _total": "# HELP a_total A\n# TYPE a_total gauge\na_total 1\n",
    "a negative counter": COUNTER + "a_total -1\n",
    "a counter that is no number": COUNTER + "a_total NaN\n",
    "not UTF-8": (GAUGE + 'b{x="').encode() + b"\xff" + b'"} 1\n',
    "buckets that fall": GOOD_HISTOGRAM.replace('le="1"} 1', 'le="1"} 0'),
    "bounds that fall": GOOD_HISTOGRAM.replace('le="1"', 'le="0.25"'),
    "a bound twice": GOOD_HISTOGRAM.replace('le="1"', 'le="0.50"'),
    "a bound that is no number": GOOD_HISTOGRAM.replace('le="1"', 'le="one"'),
    "no +Inf": GOOD_HISTOGRAM.replace('h_bucket{le="+Inf"} 3\n', ""),
    "+Inf not last": HISTOGRAM + 'h_bucket{le="+Inf"} 3\nh_bucket{le="1"} 1\nh_sum 1\nh_count 3\n',
    "a bucket without le": GOOD_HISTOGRAM.replace('{le="1"}', '{ge="1"}'),
    "another count than +Inf": GOOD_HISTOGRAM.replace("h_count 3", "h_count 4"),
    "no count": GOOD_HISTOGRAM.replace("h_count 3\n", ""),
    "no sum": GOOD_HISTOGRAM.replace("h_sum 9.5\n", ""),
    "a plain sample of a histogram": GOOD_HISTOGRAM + "h 1\n",
    "two histograms mixed up": HISTOGRAM + "".join(
        f'h_{what}{{x="{x}"{le}}} 1\n'
        for what, le in (("bucket", ',le="+Inf"'), ("sum", ""), ("count", ""))
        for x in "ab"
    ),
    "a quantile above one": SUMMARY + 's{quantile="1.5"} 1\ns_sum 1\ns_count 1\n',
    "a summary without a count": SUMMARY + 's{quantile="0.5"} 1\ns_sum 1\n',
    "a summary without quantile": SUMMARY + "s 1\ns_sum 1\ns_count 1\n",
    "the end of OpenMetrics": GAUGE + "b 1\n# EOF\n",
}

OM_COUNTER = "# HELP a A\n# TYPE a counter\na_total 1\n"
BAD_OPENMETRICS = {
    "no end": OM_COUNTER,
    "nothing at all": "",
    "an early end": OM_COUNTER + "# EOF\n" + GAUGE + "b 1\n# EOF\n",
    "something after the end": OM_COUNTER + "# EOF\n\n",
    "_total in the family's name": COUNTER + "a_total 1\n# EOF\n",
    "a counter's sample without _total": "# HELP a A\n# TYPE a counter\na 1\n# EOF\n",
    "untyped": "# HELP b B\n# TYPE b untyped\nb 1\n# EOF\n",
    "a unit that the name lacks": "# HELP b B\n# TYPE b gauge\n# UNIT b seconds\nb 1\n# EOF\n",
    "a quote in HELP": '# HELP b "B"\n# TYPE b gauge\nb 1\n# EOF\n',
    "a bound that is an integer": GOOD_HISTOGRAM + "# EOF\n",
    "an info metric that is 2": "# HELP b B\n# TYPE b info\nb_info 2\n# EOF\n",
    "an info metric without _info": "# HELP b B\n# TYPE b info\nb 1\n# EOF\n",
}


@pytest.mark.parametrize("text", BAD_TEXT.values(), ids=list(BAD_TEXT))
def test_text_that_must_be_refused(text):
    with pytest.raises(exposition.ExpositionError):
        exposition.parse(text)


@pytest.mark.parametrize("text", BAD_OPENMETRICS.values(), ids=list(BAD_OPENMETRICS))
def test_openmetrics_that_must_be_refused(text):
    with pytest.raises(exposition.ExpositionError):
        exposition.parse(text, openmetrics=True)


def test_text_that_is_right():
    text = COUNTER + 'a_total{x="\\\\ \\" \\n ü"} 1e3\n' + GAUGE + "b NaN\n" + GOOD_HISTOGRAM
    text += SUMMARY + 's{quantile="0.5"} 1\ns_sum 1\ns_count 2\n'
    families = exposition.parse(text)
    assert list(families) == ["a_total", "b", "h", "s"]
    assert families["a_total"].samples == [exposition.Sample("a_total", {"x": '\\ " \n ü'}, 1000)]
    assert families["h"].samples[2].labels == {"le": "+Inf"}
    assert exposition.parse("") == {}


def test_openmetrics_that_is_right():
    text = OM_COUNTER + '# HELP d_seconds \\"quoted\\"\n# TYPE d_seconds gauge\n'
    text += "# UNIT d_seconds seconds\nd_seconds 0.5\n# HELP i I\n# TYPE i info\n"
    text += 'i_info{v="1"} 1\n# EOF\n'
    families = exposition.parse(text, openmetrics=True)
    assert families["d_seconds"].help == '"quoted"' and families["d_seconds"].unit == "seconds"
    assert exposition.parse("# EOF\n", openmetrics=True) == {}


def test_the_error_names_the_line():
    with pytest.raises(exposition.ExpositionError, match="line 4: "):
        exposition.parse(GAUGE + "b 1\nb 1\n")


def golden(name):
    """A golden file with numbers where it has marks for what varies."""
    return (DATA / name).read_text().replace(" *\n", " 1\n")


def test_the_golden_files_pass():
    text = exposition.parse(golden("metrics.txt"))
    openmetrics = exposition.parse(golden("metrics.openmetrics"), openmetrics=True)
    plain = {s.name: s for f in text.values() for s in f.samples}
    other = {s.name: s for f in openmetrics.values() for s in f.samples}
    assert plain.keys() == other.keys() and len(plain) > 30
    path = text["connhealth_probe_success"].samples[-1].labels["path"]
    assert path == 'C:\\dir\nnew "line"'


def test_promtool_finds_nothing_to_say_of_the_golden_file():
    checked = subprocess.run(["promtool", "check", "metrics"], input=golden("metrics.txt"),
                             capture_output=True, text=True, check=False, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
