"""Shell completion through the protocol that shells speak, in real processes and without heavy imports."""

import os
import resource
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "scipy", "geopandas", "pulp", "highspy", "dcsite.study")


def completed(line, *, env=None):
    """What bash would offer for the last word of a line."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-m", "dcsite"],
        env={
            **os.environ,
            **(env or {}),
            "_DCSITE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("dcsite compare us-qu", ["us-quincy-wa"]),
        ("dcsite compare quin", ["quincy-wa"]),
        ("dcsite rank --profile ai-t", ["ai-training", "ai-training-liquid"]),
        ("dcsite rank --profile cloud,cr", ["cloud,crypto"]),
        ("dcsite cooling quincy -t air_e", ["air_econ_adiabatic"]),
        ("dcsite rank --users euro", ["europe", "european-union"]),
        ("dcsite report runs/p --format html,x", ["html,xlsx"]),
        ("dcsite eligible --country icel", ["iceland"]),
        ("dcsite rank --rules us-2023", ["us-2023-10"]),
        ("dcsite data show reta", ["retail"]),
        ("dcsite rank --format j", ["json"]),
        ("dcsite rank --method top", ["topsis"]),
    ],
)
def test_a_word_is_completed(line, wanted):
    assert completed(line) == wanted


@pytest.mark.parametrize("word", ["quincy-wa", "plano-tx", "keflavik"])
def test_what_is_offered_is_understood(word):
    from dcsite.data.places import resolve_site
    from dcsite.data.tables import load_tables

    assert completed(f"dcsite compare {word[:5]}") == [word]
    assert resolve_site(load_tables(), word).endswith(word)


def test_own_tables_are_offered(tmp_path):
    (tmp_path / "regions").mkdir()
    (tmp_path / "regions" / "sites.csv").write_text("site_id,name\nzz-nowhere,Nowhere\n", encoding="utf-8")
    assert completed(f"dcsite compare --data-dir {tmp_path} zz-") == ["zz-nowhere"]
    assert completed("dcsite compare zz-", env={"DCSITE_DATA": str(tmp_path)}) == ["zz-nowhere"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"no,such,columns\n1,2,3\n"])
def test_a_broken_table_completes_to_nothing_and_says_nothing(content, tmp_path):
    (tmp_path / "regions").mkdir()
    (tmp_path / "regions" / "sites.csv").write_bytes(content)
    assert completed(f"dcsite compare --data-dir {tmp_path} zz-") == []


def test_fixed_words_are_those_of_the_program():
    from typing import get_args

    from dcsite.cli import complete
    from dcsite.data import demand, network
    from dcsite.report import export
    from dcsite.scoring.ranking import METHODS
    from dcsite.spec.scenario import Basis
    from dcsite.study.cooling import VINTAGES

    assert set(complete.MARKETS) == {"world", *demand.MARKETS, *demand.MEMBERS}
    assert complete.REPORT_FORMATS == export.FORMATS
    for option, known in (
        ("rank --method", METHODS),
        ("rank --demand", demand.DEMANDS),
        ("rank --basis", get_args(Basis)),
        ("rtt --network", network.NETWORKS),
        ("cooling --vintage", VINTAGES),
    ):
        assert set(completed(f"dcsite {option} ")) == set(known), option


def test_completion_is_light():
    code = (
        "import sys\nfrom dcsite.cli import app\n"
        "try:\n    app.main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "_DCSITE_COMPLETE": "complete_bash",
            "COMP_WORDS": "dcsite compare quin",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "quincy-wa" in done.stdout
    assert done.stderr.strip() == "[]"
    # 0.2 s on a quiet machine; pandas alone would double it. Room for a busy one.
    assert after.ru_utime - before.ru_utime < 1.0
