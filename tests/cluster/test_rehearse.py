import pytest

from tests.cluster import rehearse


def test_without_go_it_is_left_out_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    rehearse.main()
    assert capsys.readouterr().out == "Left out: a control plane is built with Go, which is not on the PATH.\n"
