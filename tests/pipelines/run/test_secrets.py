"""No secret reaches what a run shows or keeps, in no form; nothing is published outside the artifacts."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from local_azure.cli.main import main
from local_azure.pipelines.run.agent.masking import MOST_SECRET_CHARACTERS, MOST_SECRETS, Masker, looks_secret
from local_azure.pipelines.run.agent.workspace import MOST_ARTIFACTS, Artifacts
from local_azure.pipelines.run.record import MOST_ISSUES, MOST_KEPT_FILES, MOST_SUMMARY_BYTES, MOST_TAGS, RunRecord

Run = Callable[..., Any]
SECRET = "pa ss/wö+rd=1"
LEAKS = f"""
    steps:
    - bash: |
        # the first line is the title
        echo "##vso[task.setsecret]{SECRET}"
        echo "##vso[build.addbuildtag]{SECRET}"
        echo "##vso[build.updatebuildnumber]{SECRET}"
        echo "##vso[task.logissue type=warning]{SECRET}"
        echo "##vso[task.setprogress value=1]{SECRET}"
        printf '%s' '{SECRET}' > "page {SECRET.replace("/", "")}.md"
        printf '%s' '{SECRET}' | base64
        printf 'user:%s' '{SECRET}' | base64
        python3 -c 'import urllib.parse as u; print(u.quote("{SECRET}", safe=""), u.quote_plus("{SECRET}"))'
        echo "##vso[task.sing]{SECRET}"
        mkdir d
        echo "##vso[artifact.upload artifactname={SECRET}]$PWD/d"
"""


def test_secrets_are_in_nothing_that_is_shown_or_kept(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(LEAKS, verbose=True)
    kept = [path for path in (tmp_path / "state/pipelines").rglob("*") if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8") for path in kept) + "".join(capfd.readouterr())
    encoded = base64.b64encode(SECRET.encode()).decode()

    assert outcome.code == 1
    assert outcome.document["tags"] == ["***"]
    for part in ("wö", "w%C3%B6", "rd%3D1", "w\\u00f6", encoded[4:-4]):
        assert part not in text
    assert base64.b64encode(f"user:{SECRET}".encode()).decode()[8:-4] not in text


@pytest.mark.parametrize("name", ["../../../x", "{tmp}/x", "..", "a/b", "a\\\\b", "x" * 101])
def test_artifacts_stay_in_their_folder(run: Run, tmp_path: Path, name: str) -> None:
    name = name.replace("{tmp}", str(tmp_path))
    outcome = run(
        f"""
        steps:
        - bash: |
            mkdir d
            echo '##vso[task.setvariable variable=NAME]{name}'
            echo '##vso[artifact.upload artifactname={name}]'$PWD/d
        - publish: d
          artifact: $(NAME)
          condition: always()
        """
    )

    assert outcome.code == 1
    assert outcome.document["artifacts"] == []
    assert (
        sum(
            "Invalid artifact name" in text and ": 1 to 100 characters" in text
            for _, _, text in outcome.document["issues"]
        )
        == 2
    )
    assert not list(tmp_path.glob("**/x"))


def test_devices_are_not_kept(run: Run) -> None:
    outcome = run("steps:\n- bash: |\n    echo '##vso[task.uploadfile]/dev/zero'\n"
                  "    echo '##vso[task.uploadsummary]/dev/zero'\n")  # fmt: skip
    assert len([text for _, _, text in outcome.document["issues"] if "neither a file nor a folder" in text]) == 2


def test_what_a_run_keeps_is_for_its_owner(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    run("steps: [{bash: echo seen}]\n")
    folder = tmp_path / "state/pipelines/1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("result.json", "logs/__default.Job.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_secret_values_of_groups_are_masked(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write(
        "variables: [{group: mine}]\nsteps:\n- bash: echo '$(TOKEN) $(PLAIN)' ${TOKEN:-unmapped}\n",
        **{"group.yml": "TOKEN: {value: hidden-value, isSecret: true}\nPLAIN: {value: seen}\n"},
    )
    command = ["--state", str(tmp_path / "state"), "pipelines", "run", str(file), "--verbose"]
    said = CliRunner().invoke(main, [*command, "--group", f"mine={file.parent / 'group.yml'}"]).output
    assert "*** seen unmapped" in said
    assert "hidden" not in said


def test_values_of_groups_with_names_of_secrets_are_masked_and_stay_in_the_environment(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    file = write(
        "variables: [{group: mine}]\n"
        "steps:\n- bash: echo '$(DB_PASSWORD) $(apiKey) $(KEY_NAME) $(NO_TOKEN)' ${#APIKEY}\n",
        **{
            "group.yml": "DB_PASSWORD: hidden-value\napiKey: {value: hidden-too}\nKEY_NAME: seen\n"
            "NO_TOKEN: {value: open, isSecret: false}\n"
        },
    )
    command = ["--state", str(tmp_path / "state"), "pipelines", "run", str(file), "--verbose"]
    said = CliRunner().invoke(main, [*command, "--group", f"mine={file.parent / 'group.yml'}"]).output
    assert "*** *** seen open 10" in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        *[(name, True) for name in ("DB_PASSWORD", "apiKey", "client-secret", "GITHUB_PAT", "accessToken", "x.sas")],
        *[(name, True) for name in ("secretValue", "STORAGE_CONNECTION_STRING", "APIKEY", "dbpassword")],
        *[(name, False) for name in ("KEY_NAME", "SECRET_URI", "tokenPath", "monkey", "PATH", "keys", "COMPASS", "")],
    ],
)
def test_names_that_look_like_secrets(name: str, looks: bool) -> None:
    assert looks_secret(name) is looks


@pytest.mark.parametrize(
    "shown",
    [
        "a%2fb%26%3c%22%27",
        "a%2Fb%26%3C%22%27",
        "a/b&amp;&lt;\"'",
        "a/b&amp;&lt;&quot;&#x27;",
        "a/b&amp;&lt;&#34;&#39;",
    ],
)
def test_a_secret_is_masked_as_urls_and_pages_hold_it(shown: str) -> None:
    masker = Masker()
    masker.add("a/b&<\"'")
    assert masker.mask(f"see {shown}!") == "see ***!"


@pytest.mark.parametrize("before", ["", "u", "us"])
def test_a_secret_is_masked_in_hex_and_in_the_base64_of_utf_16(before: str) -> None:
    masker = Masker()
    masker.add(SECRET)
    raw = (before + SECRET).encode()
    assert masker.mask(f"{raw.hex()} {raw.hex().upper()}") == " ".join(
        part + "***" for part in (before.encode().hex(), before.encode().hex().upper())
    )
    encoded = base64.b64encode((before + SECRET).encode("utf-16-le")).decode()
    assert len(masker.mask(encoded).replace("***", "")) <= len(base64.b64encode(before.encode("utf-16-le"))) + 8


def test_a_short_secret_in_hex_does_not_spoil_other_numbers() -> None:
    masker = Masker()
    masker.add("1")
    assert masker.mask("a build of 31 files, QQAx") == "a build of 3*** files, QQAx"


def test_caps_of_secrets() -> None:
    masker = Masker()
    for number in range(MOST_SECRETS - 1):
        masker.add(f"secret-{number}")
    with pytest.raises(ValueError, match="characters cannot be masked"):
        masker.add("x" * (MOST_SECRET_CHARACTERS + 1))
    masker.add("x" * MOST_SECRET_CHARACTERS)
    with pytest.raises(ValueError, match="at most 1000 per run can be masked"):
        masker.add("one more")


def test_the_end_of_a_cut_line_is_masked() -> None:
    masker = Masker()
    masker.add("abcdef")
    assert "abc" not in masker.mask("x" * 100 + "abc", cut=True)


def test_caps_of_a_record(tmp_path: Path) -> None:
    record, page = RunRecord(tmp_path, 1), tmp_path / "page.md"
    page.write_bytes(b"x" * MOST_SUMMARY_BYTES)
    record.keep_summary("job", page)
    page.write_bytes(b"x" * (MOST_SUMMARY_BYTES + 1))
    with pytest.raises(ValueError, match="is larger than"):
        record.keep_summary("job", page)
    for number in range(MOST_TAGS):
        record.add_tag(str(number))
    with pytest.raises(ValueError, match="build tags"):
        record.add_tag("one more")
    for _ in range(MOST_ISSUES + 1):
        record.add_issue("warning", "job", "again")
    assert len(record.issues) == MOST_ISSUES
    page.write_text("small")
    for _ in range(MOST_KEPT_FILES - len(record.kept)):
        record.keep_file("job", page)
    with pytest.raises(ValueError, match="may keep 1000"):
        record.keep_file("job", page)
    artifacts = Artifacts(tmp_path / "other", record.masker)
    for number in range(MOST_ARTIFACTS):
        artifacts.publish(str(number), page)
    with pytest.raises(OSError, match="Too many artifacts"):
        artifacts.publish("one more", page)
