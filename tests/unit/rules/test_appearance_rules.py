"""SIG-20 to SIG-26: how signatures are shown; about form only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.envelope import Urgency
from gateway.domain.finding import Severity
from gateway.rules.appearance import APPEARANCE_RULES, shown_time
from gateway.rules.facts import AgencyNames
from gateway.rules.registry import Policy
from gateway.rules.signature import legal_class
from gateway.rules.urgency import urgency_marks
from gateway.trust.report import AppearanceFacts
from tests.world.rule_facts import Sig, attachment, header, holder, judge, report

WARNING, NOTE = Severity.WARNING, Severity.NOTE
AT = datetime(2026, 11, 20, 2, 15, 30, tzinfo=UTC)
NAMES = AgencyNames(frozenset({"H37.02"}), ("Sở Nội vụ tỉnh Lạng Sơn",))
BLUE = AppearanceFacts(True, "blue", True, True, quadrant="bottom-right")
RED = replace(BLUE, hue="red")
HAND = Sig(
    "person",
    signer=holder("Nguyễn Văn A"),
    rectangle=(351, 94, 476, 156),
    appearance=BLUE,
    signed_at=AT,
)
SEAL = Sig(
    "organization",
    signer=holder("Sở Nội vụ tỉnh Lạng Sơn"),
    rectangle=(289, 71, 391, 173),
    appearance=RED,
    signed_at=AT,
)
STAMP = replace(
    SEAL,
    rectangle=(340, 765, 561, 828),
    appearance=AppearanceFacts(
        text="Số: 123/SNV-VP 20/11/2026 09:15:30 +07:00", quadrant="top-right"
    ),
)


def found(*signatures, **more):
    return judge(reports=(report(*signatures),), names=NAMES, **more)


def rules(*signatures, **more):
    return [f.rule for f in found(*signatures, **more)]


def look(signature, **changes):
    return replace(signature, appearance=replace(signature.appearance, **changes))


def test_a_proper_letter_has_no_fault():
    assert found(HAND, SEAL) == ()


@pytest.mark.parametrize(
    ("hand", "words"),
    [
        (look(HAND, picture=False), "không có hình ảnh"),
        (look(HAND, hue="red"), "không phải màu xanh"),
        (look(HAND, hue="other"), "không phải màu xanh"),
        (look(HAND, transparent=False), "nền trong suốt"),
        (look(HAND, png_like=False), ".png"),
        (replace(HAND, page=0, rectangle=None, appearance=None), "không hiển thị"),
    ],
)
def test_the_signers_picture_is_blue_png_and_transparent(hand, words):
    (fault,) = found(hand, SEAL)
    assert (fault.rule, fault.severity) == ("SIG-20", WARNING)
    assert words in fault.vi
    assert "Không ảnh hưởng hiệu lực" in fault.vi


def test_a_colour_that_cannot_be_told_is_no_fault():
    assert found(look(HAND, hue=""), look(SEAL, hue="")) == ()
    assert found(replace(HAND, appearance=None), replace(SEAL, appearance=None)) == ()


def moved(signature, across=0.0, up=0.0):
    x1, y1, x2, y2 = signature.rectangle
    return replace(signature, rectangle=(x1 + across, y1 + up, x2 + across, y2 + up))


@pytest.mark.parametrize(
    ("seal", "words"),
    [
        (look(SEAL, hue="blue"), "không phải màu đỏ"),
        (moved(SEAL, across=-60), "không trùm lên"),
        (moved(SEAL, up=200), "không trùm lên"),
        (replace(SEAL, page=2), "không trùm lên"),
        (moved(SEAL, across=-20), "khoảng 1/3"),
        (moved(SEAL, across=30), "khoảng 1/3"),
        (replace(SEAL, rectangle=(436, 71, 538, 173)), "không ở bên trái"),
        (replace(SEAL, rectangle=(259, 41, 391, 203)), "kích thước"),
        (replace(SEAL, rectangle=(341, 71, 391, 121)), "kích thước"),
    ],
)
def test_the_seal_is_red_of_real_size_and_covers_a_third_on_the_left(seal, words):
    (fault,) = found(HAND, seal)
    assert (fault.rule, fault.severity) == ("SIG-21", WARNING)
    assert words in fault.vi


def test_sizes_and_overlap_are_the_operators_to_set():
    wide = replace(SEAL, rectangle=(259, 41, 391, 203))
    assert found(HAND, wide, policy=Policy(seal_mm=(20, 60))) == ()
    far = moved(SEAL, across=-20)
    assert found(HAND, far, policy=Policy(overlap=(0.1, 0.5))) == ()


def test_a_box_with_words_in_it_has_no_size_to_compare():
    assert found(HAND, replace(look(SEAL, text="Cơ quan"), rectangle=(191, 71, 391, 173))) == ()


def test_form_never_refuses_and_may_be_noted_or_left_out():
    bad = (look(HAND, hue="red"), look(SEAL, hue="blue"))
    for direction in ("out", "in"):
        assert {f.severity for f in found(*bad, direction=direction)} == {WARNING}
    assert {f.severity for f in found(*bad, policy=Policy(appearance="note"))} == {NOTE}
    assert found(*bad, policy=Policy(appearance="off")) == ()
    assert {f.rule for f in found(*bad)} <= APPEARANCE_RULES
    # SIG-26: nothing of it touches what the document is worth.
    assert legal_class([report(*bad)]) is legal_class([report(HAND, SEAL)])


# ---------------------------------------------------------------- annexes


def annexed(*signatures, **more):
    two = [attachment(0), attachment(1, "phu luc.pdf")]
    reports = (report(HAND, SEAL), report(*signatures))
    return judge(attachments=two, reports=reports, names=NAMES, **more)


def test_a_proper_annex_has_no_fault():
    assert annexed(STAMP) == ()


@pytest.mark.parametrize(
    ("stamp", "rule", "words"),
    [
        (look(STAMP, quadrant="bottom-right"), "SIG-22", "góc trên bên phải"),
        (replace(STAMP, page=2), "SIG-22", "góc trên bên phải"),
        (look(STAMP, picture=True), "SIG-22", "có hình ảnh"),
        (look(STAMP, text="124/SNV-VP 20/11/2026 09:15:30 +07:00"), "SIG-22", "123/SNV-VP"),
        (replace(STAMP, page=0, appearance=None), "SIG-22", "không hiển thị"),
        (look(STAMP, text="123/SNV-VP"), "SIG-23", "không ghi thời gian"),
        (look(STAMP, text="123/SNV-VP 20/11/2026 09:15:30"), "SIG-23", "múi giờ"),
        (look(STAMP, text="123/SNV-VP 20/11/2026 16:15:30 +07:00"), "SIG-23", "khác thời gian"),
        (look(STAMP, text="123/SNV-VP 31/02/2026 09:15:30 +07:00"), "SIG-23", "không ghi"),
    ],
)
def test_an_annex_is_stamped_in_words_at_the_top_right(stamp, rule, words):
    (fault,) = annexed(stamp)
    assert (fault.rule, fault.severity) == (rule, WARNING)
    assert words in fault.vi
    assert fault.where.endswith("Attachment[2]")


def test_letters_drawn_apart_are_read_together():
    assert annexed(look(STAMP, text="123 / SNV - VP 20 / 11 / 2026 09 : 15 : 30 +07:00")) == ()


def test_a_document_of_its_own_that_goes_along_is_not_held_to_be_an_annex():
    assert annexed(HAND, SEAL) == ()
    other = replace(SEAL, signer=holder("Sở Tài chính tỉnh Lạng Sơn"))
    assert annexed(other) == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("11/07/2020 09:15:30 +07:00", ("2020-07-11T02:15:30+00:00", True)),
        ("ký ngày 25.09.2024 16:09:37 +07:00", ("2024-09-25T09:09:37+00:00", True)),
        ("2020-07-11T09:15:30+07:00", ("2020-07-11T02:15:30+00:00", True)),
        ("11/07/2020; 09:15:30 GMT+7", ("2020-07-11T02:15:30+00:00", False)),
        ("11/07/2020 02:15:30 +0000", ("2020-07-11T02:15:30+00:00", True)),
        ("11/07/2020 02:15:30 -01:00", ("2020-07-11T03:15:30+00:00", True)),
        ("11/07/2020 25:15:30 +07:00", None),
        ("11/07/2020 09:15:30 +99:00", None),
        ("Số 11/07/2020", None),
        ("", None),
    ],
)
def test_times_that_stamps_state(text, shown):
    found_time = shown_time(text)
    if shown is None:
        assert found_time is None
    else:
        assert found_time == (datetime.fromisoformat(shown[0]), shown[1])


def test_a_time_beside_the_picture_is_compared_but_not_asked_for():
    good = look(HAND, text="Thời gian ký: 20.11.2026 09:20:00 +07:00")
    assert found(good, SEAL) == ()
    late = replace(good, signed_at=AT + timedelta(hours=6))
    (fault,) = found(late, SEAL)
    assert fault.rule == "SIG-23"
    assert found(replace(good, signed_at=None), SEAL) == ()


# ---------------------------------------------------------------- copies


COPY = look(STAMP, text="SAO Y; Sở Nội vụ tỉnh Lạng Sơn 20/11/2026 09:15:30 +07:00")


def copied(*signatures):
    return found(*signatures, header=header(type_name="Sao y"))


def test_a_proper_copy_has_no_fault():
    assert copied(COPY) == ()


@pytest.mark.parametrize(
    ("stamp", "rule", "words"),
    [
        (look(COPY, quadrant="top-left"), "SIG-24", "góc trên bên phải"),
        (look(COPY, picture=True), "SIG-24", "có hình ảnh"),
        (
            look(COPY, text="Sở Nội vụ tỉnh Lạng Sơn 20/11/2026 09:15:30 +07:00"),
            "SIG-24",
            "hình thức sao",
        ),
        (look(COPY, text="SAO Y 20/11/2026 09:15:30 +07:00"), "SIG-24", "tên cơ quan"),
        (look(COPY, text="SAO Y Sở Nội vụ tỉnh Lạng Sơn"), "SIG-23", "không ghi thời gian"),
    ],
)
def test_a_copy_names_its_form_agency_and_time(stamp, rule, words):
    (fault,) = copied(stamp)
    assert (fault.rule, fault.severity) == (rule, WARNING)
    assert words in fault.vi


# ---------------------------------------------------------------- urgency


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("UBND TỈNH\nHỎA TỐC\nSố: 1", ("HỎA TỐC",)),
        ("HOẢ TỐC", ("HỎA TỐC",)),
        ("[ H Ỏ A  T Ố C ]", ("HỎA TỐC",)),
        ("HỎA TỐC HẸN GIỜ", ("HỎA TỐC",)),
        ("THƯỢNG KHẨN", ("THƯỢNG KHẨN",)),
        ("KHẨN\nKHẨN\n", ("KHẨN",)),
        ("Khẩn", ()),
        ("TÌNH TRẠNG KHẨN CẤP", ()),
        ("văn bản hỏa tốc", ()),
        ("", ()),
    ],
)
def test_urgency_stamps_stand_alone_in_capitals(text, marks):
    assert urgency_marks(text) == marks


def urgent(level, marks, *, text=True):
    reports = (report(HAND, SEAL, page_text=text, urgency_marks=marks),)
    return judge(reports=reports, names=NAMES, header=header(urgency=level))


@pytest.mark.parametrize(
    ("level", "marks"),
    [
        (Urgency.NORMAL, ()),
        (Urgency.URGENT, ("KHẨN",)),
        (Urgency.VERY_URGENT, ("THƯỢNG KHẨN",)),
        (Urgency.EXPRESS, ("HỎA TỐC",)),
        (Urgency.EXPRESS_TIMED, ("HỎA TỐC",)),
    ],
)
def test_the_stamp_of_each_level(level, marks):
    assert urgent(level, marks) == ()


@pytest.mark.parametrize(
    ("level", "marks", "severity"),
    [
        (Urgency.NORMAL, ("KHẨN",), WARNING),
        (Urgency.URGENT, ("HỎA TỐC",), WARNING),
        (Urgency.EXPRESS, (), NOTE),
    ],
)
def test_another_stamp_warns_and_none_is_noted(level, marks, severity):
    (fault,) = urgent(level, marks)
    assert (fault.rule, fault.severity) == ("SIG-25", severity)


def test_a_scan_has_no_text_to_look_in():
    assert urgent(Urgency.EXPRESS, (), text=False) == ()
