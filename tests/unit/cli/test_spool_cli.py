"""`vanlien spool`: a folder with its parts, rights and mark; nothing that lies there is touched."""

import json
import stat

from adapters.spool.folder import MARKER, OWN, SHARED
from gateway.__main__ import main
from tests.world.gatehouse import write_config


def answer(capsys):
    return json.loads(capsys.readouterr().out)


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_init_makes_parts_rights_and_mark_and_may_be_repeated(tmp_path, capsys):
    place = tmp_path / "thu-muc"
    for _ in range(2):
        assert main(["spool", "init", str(place), "--system", "qlvb", "--json"]) == 0
        assert answer(capsys)["settings"].startswith("[[spool]]\n")
        (place / "out/new/van-ban.edxml").write_bytes(b"x")
    assert (place / MARKER).read_text() == "qlvb\n"
    assert {mode(place / part) for part in SHARED} == {"0o2770"}
    assert {mode(place / part) for part in OWN} == {"0o2700"}
    assert {mode(place / part) for part in ("", "in", "out")} == {"0o2750"}
    assert (place / "out/new/van-ban.edxml").exists()
    # Another system's, somebody's files, a group that is not there: refused, nothing made.
    assert main(["spool", "init", str(place), "--system", "khac"]) == 64
    full = tmp_path / "co-tep"
    full.mkdir()
    (full / "a").write_bytes(b"")
    assert main(["spool", "init", str(full), "--system", "qlvb"]) == 64
    new = tmp_path / "moi"
    assert main(["spool", "init", str(new), "--system", "qlvb", "--group", "khong-co-nhom"]) == 64
    assert main(["spool", "init", str(new), "--system", "q", "--owner", "khong-co-ai"]) == 64
    assert main(["spool", "init", str(new), "--system", " "]) == 64
    assert not new.exists()


def test_status_tells_a_folder_that_is_there_from_one_that_is_away(tmp_path, capsys):
    main(["spool", "init", str(tmp_path / "co"), "--system", "a", "--json"])
    extra = '[[spool]]\nfolder = "co"\nsystem = "a"\n[[spool]]\nfolder = "vang"\nsystem = "b"\n'
    config = write_config(tmp_path, extra)
    capsys.readouterr()
    assert main(["spool", "status", "--config", str(config), "--json"]) == 0
    first, second = answer(capsys)["folders"]
    assert (first["state"], first["out_new"], first["in_new"]) == ("ok", 0, 0)
    assert (second["state"] != "ok", second["out_new"]) == (True, None)
    # One folder, one system: said by key.
    twice = config.read_text(encoding="utf-8").replace('"vang"', '"co"').replace('"b"', '"a"')
    config.write_text(twice, encoding="utf-8")
    assert main(["check-config", "--config", str(config), "--json"]) == 64
    places = {f["where"] for f in answer(capsys)["faults"]}
    assert places == {"spool[1].folder", "spool[1].system"}
