"""Which programs ask the proxy for web addresses."""

from __future__ import annotations

from local_azure.machine_learning.domain.access.web_proxy import OWN_VARIABLE, web_variables, without_own

REFUSING = "http://127.0.0.1:5"
CREDENTIALS = "name:word"
SERVING = f"http://{CREDENTIALS}@127.0.0.1:5"


def _variables(inherited: dict[str, str], *, with_files: bool = False) -> dict[str, str]:
    return web_variables(5, CREDENTIALS, inherited, with_files=with_files)


def test_without_web_data_the_engine_alone_asks_the_proxy() -> None:
    expected = {"http_proxy": REFUSING, "https_proxy": REFUSING, "no_proxy": "*", "NO_PROXY": "*"}
    assert _variables({"no_proxy": "corp"}) == {**expected, OWN_VARIABLE: REFUSING}


def test_without_web_data_a_proxy_of_the_user_stays() -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        bypass = "corp,127.0.0.1,localhost"
        assert _variables({name: "http://corp:1", "NO_PROXY": "corp"}) == {"no_proxy": bypass, "NO_PROXY": bypass}


def test_with_web_data_every_program_asks_the_proxy() -> None:
    found = _variables({"https_proxy": "http://corp:1", "no_proxy": "corp"}, with_files=True)
    assert {found[name] for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")} == {SERVING}
    assert found["no_proxy"] == found["NO_PROXY"] == "corp,127.0.0.1,localhost"


def test_a_server_of_an_older_version_has_no_proxy() -> None:
    bypass = "127.0.0.1,localhost"
    assert web_variables(0, "", {}, with_files=False) == {"no_proxy": bypass, "NO_PROXY": bypass}


def test_an_inner_program_is_not_led_to_the_proxy_of_an_outer_one() -> None:
    for with_files in (False, True):
        outer = {"PATH": "p", **_variables({}, with_files=with_files)}
        assert {"PATH": "p"}.items() <= without_own(outer).items()
        assert not [name for name in without_own(outer) if name.lower().startswith(("http", OWN_VARIABLE.lower()))]
        assert _variables(outer) == _variables({"no_proxy": without_own(outer).get("no_proxy", "")})
