"""How signatures are shown: pictures, colours, text and place, read from made PDFs and odd ones."""

import base64
import hashlib
import io
import zlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PdfFileWriter

from gateway.demo.letters import sign_once
from gateway.trust.anchors import TrustStore
from gateway.trust.appearance import appearance_of
from gateway.trust.drawntext import Drawing
from gateway.trust.pdf import verify_pdf
from tests.world.signed_files import NOW, letter, once, pki, twice

BOX = (100.0, 100.0, 200.0, 150.0)


def verified(data):
    store = TrustStore.load(pki().trust_dir)
    at = NOW + timedelta(hours=1)
    return verify_pdf(data, sha256=hashlib.sha256(data).hexdigest(), at=at, store=store)


# ---------------------------------------------------------------- whole letters


def test_a_proper_letter_shows_a_blue_hand_and_a_red_seal():
    hand, seal = (s.appearance for s in verified(twice()).signatures)
    assert (hand.hue, seal.hue) == ("blue", "red")
    for looks in (hand, seal):
        assert (looks.picture, looks.transparent, looks.png_like) == (True, True, True)
        assert (looks.text, looks.quadrant) == ("", "bottom-right")
        assert (round(looks.page_width), round(looks.page_height)) == (595, 842)


def test_an_annex_shows_words_at_the_top_right():
    lines = ("Số: 123/SNV-VP",)
    signed = sign_once(letter(), pki(), pki().agency(), "CoQuan", NOW, level="B-T", lines=lines)
    (stamp,) = verified(signed).signatures
    assert stamp.page == 1
    assert not stamp.appearance.picture
    assert stamp.appearance.quadrant == "top-right"
    assert stamp.appearance.text == "Số: 123/SNV-VP 22/11/2026 12:00:00 +07:00"


def test_what_is_not_shown_has_no_appearance():
    (signature,) = verified(once()).signatures
    assert (signature.page, signature.appearance) == (0, None)


def test_looks_are_the_same_every_time():
    assert verified(twice()).signatures[0].appearance == verified(twice()).signatures[0].appearance


# ---------------------------------------------------------------- made drawings


class Page:
    """One page with one widget, built object by object."""

    def __init__(self):
        self.writer = PdfFileWriter()

    def stream(self, data=b"", **entries):
        values = {pdf_name("/" + k): v for k, v in entries.items()}
        return self.writer.add_object(generic.StreamObject(values, stream_data=data))

    def form(self, content, **resources):
        held = generic.DictionaryObject(
            {pdf_name("/" + k): _dictionary(v) for k, v in resources.items()}
        )
        return self.stream(
            content, Type=pdf_name("/XObject"), Subtype=pdf_name("/Form"), Resources=held
        )

    def image(self, data, size, space="/DeviceRGB", **more):
        return self.stream(
            data,
            Type=pdf_name("/XObject"),
            Subtype=pdf_name("/Image"),
            Width=generic.NumberObject(size[0]),
            Height=generic.NumberObject(size[1]),
            BitsPerComponent=generic.NumberObject(8),
            ColorSpace=pdf_name(space) if isinstance(space, str) else space,
            **more,
        )

    def looks(self, form, box=BOX, media=(0, 0, 600, 800), **page):
        widget = generic.DictionaryObject(
            {
                pdf_name("/Rect"): _numbers(box),
                pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): form}),
            }
        )
        body = generic.DictionaryObject({pdf_name("/MediaBox"): _numbers(media)})
        body.update({pdf_name("/" + k): v for k, v in page.items()})
        ref = self.writer.add_object(widget)
        self.writer.root[pdf_name("/W")] = ref
        self.writer.root[pdf_name("/P")] = self.writer.add_object(body)
        out = io.BytesIO()
        self.writer.write(out)
        root = PdfFileReader(out).root
        return appearance_of(root["/W"], root["/P"], tuple(float(n) for n in box))


def _numbers(values):
    return generic.ArrayObject([generic.FloatObject(v) for v in values])


def _dictionary(values):
    return generic.DictionaryObject({pdf_name("/" + k): v for k, v in values.items()})


def pictured(page, image):
    return page.looks(page.form(b"q 100 0 0 50 0 0 cm /I Do Q", XObject={"I": image}))


SIZE = (20, 10)
DOTS = SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    ("colour", "hue"),
    [
        ((26, 63, 168), "blue"),
        ((0, 0, 139), "blue"),
        ((200, 16, 30), "red"),
        ((255, 60, 0), "red"),
        ((0, 150, 30), "other"),
        ((0, 0, 0), "other"),
        ((120, 118, 122), "other"),
        ((255, 255, 255), ""),
    ],
)
def test_hues(colour, hue):
    page = Page()
    looks = pictured(page, page.image(bytes(colour) * DOTS, SIZE))
    assert (looks.picture, looks.hue, looks.transparent) == (True, hue, False)


def test_the_ground_does_not_count():
    page = Page()
    # Blue where it is opaque; the transparent rest is red and weighs nothing.
    data = bytes((26, 63, 168)) * (DOTS // 4) + bytes((255, 0, 0)) * (DOTS - DOTS // 4)
    alpha = b"\xff" * (DOTS // 4) + b"\x00" * (DOTS - DOTS // 4)
    mask = page.image(alpha, SIZE, "/DeviceGray")
    looks = pictured(page, page.image(data, SIZE, SMask=mask))
    assert (looks.hue, looks.transparent) == ("blue", True)
    page = Page()
    mask = page.image(b"\xff" * DOTS, SIZE, "/DeviceGray")
    assert not pictured(page, page.image(data, SIZE, SMask=mask)).transparent


def test_colour_spaces():
    for space, dot in (("/DeviceCMYK", (0, 255, 255, 0)), ("/CalRGB", (200, 0, 0))):
        page = Page()
        looks = pictured(page, page.image(bytes(dot) * DOTS, SIZE, space))
        assert looks.hue == "red", space
    page = Page()
    profile = page.stream(b"", N=generic.NumberObject(3))
    icc = generic.ArrayObject([pdf_name("/ICCBased"), profile])
    assert pictured(page, page.image(bytes((0, 0, 200)) * DOTS, SIZE, icc)).hue == "blue"
    page = Page()
    table = generic.ByteStringObject(bytes((255, 255, 255, 200, 0, 0)))
    indexed = generic.ArrayObject(
        [pdf_name("/Indexed"), pdf_name("/DeviceRGB"), generic.NumberObject(1), table]
    )
    assert pictured(page, page.image(b"\x01" * DOTS, SIZE, indexed)).hue == "red"


def test_what_is_not_decoded_has_no_colour():
    page = Page()
    filters = {"Filter": pdf_name("/JPXDecode")}
    raw = generic.StreamObject(
        {
            pdf_name("/Subtype"): pdf_name("/Image"),
            pdf_name("/Width"): generic.NumberObject(20),
            pdf_name("/Height"): generic.NumberObject(10),
            pdf_name("/BitsPerComponent"): generic.NumberObject(8),
            pdf_name("/ColorSpace"): pdf_name("/DeviceRGB"),
            pdf_name("/Filter"): filters["Filter"],
        },
        encoded_data=b"\x00" * 40,
    )
    looks = pictured(page, page.writer.add_object(raw))
    assert (looks.picture, looks.hue, looks.png_like) == (True, "", False)


# Sixteen dots square of one blue, as `pdftoppm -jpeg` writes it.
BLUE_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKra"
    "rYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4"
    "+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAQABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAA"
    "AAX/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAwX/xAAUEQEAAAAAAAAAAAAAAAAA"
    "AAAA/9oADAMBAAIRAxEAPwCaAoDf/9k="
)


@pytest.mark.parametrize(
    ("data", "hue"),
    [
        (BLUE_JPEG, "blue"),
        (BLUE_JPEG[:200], ""),
        (b"", ""),
        (BLUE_JPEG.replace(b"\xff\xc0", b"\xff\xc2"), ""),  # progressive: not looked at
        (BLUE_JPEG.replace(b"\x00\x10\x00\x10", b"\xff\xff\xff\xff"), ""),  # a lying size
    ],
)
def test_a_jpeg_has_a_colour_and_is_no_png(data, hue):
    page = Page()
    image = generic.StreamObject(
        {
            pdf_name("/Subtype"): pdf_name("/Image"),
            pdf_name("/Width"): generic.NumberObject(16),
            pdf_name("/Height"): generic.NumberObject(16),
            pdf_name("/BitsPerComponent"): generic.NumberObject(8),
            pdf_name("/ColorSpace"): pdf_name("/DeviceRGB"),
            pdf_name("/Filter"): pdf_name("/DCTDecode"),
        },
        encoded_data=data,
    )
    looks = pictured(page, page.writer.add_object(image))
    assert (looks.picture, looks.hue) == (True, hue)
    assert (looks.transparent, looks.png_like) == (False, False)


@pytest.mark.parametrize("size", [(1, 1), (3, 50)])
def test_a_dot_is_no_picture(size):
    page = Page()
    looks = pictured(page, page.image(b"\x00" * (3 * size[0] * size[1]), size))
    assert not looks.picture


def test_a_lying_size_costs_nothing():
    page = Page()
    looks = pictured(page, page.image(b"\x00" * 12, (60_000, 60_000)))
    assert (looks.picture, looks.hue) == (True, "")
    page = Page()
    assert pictured(page, page.image(b"\x00" * 12, (40, 40))).hue == ""


def test_a_bomb_tells_nothing():
    page = Page()
    bomb = generic.StreamObject(
        {
            pdf_name("/Subtype"): pdf_name("/Image"),
            pdf_name("/Width"): generic.NumberObject(2000),
            pdf_name("/Height"): generic.NumberObject(2000),
            pdf_name("/BitsPerComponent"): generic.NumberObject(8),
            pdf_name("/ColorSpace"): pdf_name("/DeviceRGB"),
            pdf_name("/Filter"): pdf_name("/FlateDecode"),
        },
        encoded_data=zlib.compress(bytes(65 * 1024 * 1024), 1),
    )
    assert pictured(page, page.writer.add_object(bomb)) is None


# ---------------------------------------------------------------- text


def test_text_by_its_table_and_without():
    page = Page()
    cmap = page.stream(
        b"1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        b"2 beginbfchar <0001> <1ed0> <0002> <0020> endbfchar\n"
        b"2 beginbfrange <0010> <0019> <0030> <0020> <0021> [<002f> <003a>] endbfrange"
    )
    wide = _dictionary({"Subtype": pdf_name("/Type0"), "ToUnicode": cmap})
    plain = _dictionary({"Subtype": pdf_name("/Type1")})
    blind = _dictionary({"Subtype": pdf_name("/Type0")})
    content = (
        b"BT /W 10 Tf <00010002001100200012> Tj ET BT /B 1 Tf (\\000\\001) Tj ET "
        b"BT /P 10 Tf [(2\\(0) -300 (26\\051)] TJ T* (a\\\nb) ' ET % (no) Tj"
    )
    looks = page.looks(page.form(content, Font={"W": wide, "P": plain, "B": blind}))
    assert looks.text == "Ố 1/2 2(0 26) ab"
    assert not looks.picture


def test_differences_of_an_encoding():
    page = Page()
    codes = generic.ArrayObject(
        [generic.NumberObject(65), *map(pdf_name, ("/one", "/slash", "/uni1ED0", "/B", "/odd"))]
    )
    encoding = _dictionary({"Differences": codes})
    font = _dictionary({"Subtype": pdf_name("/Type1"), "Encoding": encoding})
    assert page.looks(page.form(b"BT /F 1 Tf (ABCDEz) Tj ET", Font={"F": font})).text == "1/ỐBz"


def test_forms_within_forms_and_one_that_draws_itself():
    page = Page()
    font = {"F": _dictionary({"Subtype": pdf_name("/Type1")})}
    inner = page.form(b"BT /F 1 Tf (trong) Tj ET", Font=font)
    outer = page.form(b"/X Do /X Do", XObject={"X": inner})
    assert page.looks(outer).text == "trong trong"
    page = Page()
    loop = page.form(b"/X Do BT (x) Tj ET", XObject={})
    loop.get_object()["/Resources"]["/XObject"][pdf_name("/X")] = loop
    assert set(page.looks(loop).text) <= {"x", " "}


def test_an_inline_image_is_a_picture_without_a_colour():
    page = Page()
    looks = page.looks(page.form(b"BI /W 1 /H 1 ID \x00(Tj\xff EI BT (sau) Tj ET"))
    assert (looks.picture, looks.hue, looks.text) == (True, "", "sau")


def test_text_is_cut_and_cleaned():
    page = Page()
    looks = page.looks(page.form(b"BT (" + b"a\\000\x07" * 5000 + b") Tj ET"))
    assert len(looks.text) <= 301
    assert looks.text.isprintable()


# ---------------------------------------------------------------- place


@pytest.mark.parametrize(
    ("box", "turn", "quadrant"),
    [
        ((10, 10, 20, 20), 0, "bottom-left"),
        ((500, 700, 590, 790), 0, "top-right"),
        ((10, 10, 20, 20), 90, "top-left"),
        ((10, 700, 20, 790), 90, "top-right"),
        ((10, 10, 20, 20), 180, "top-right"),
        ((500, 10, 590, 20), 270, "top-right"),
    ],
)
def test_quarters_of_the_page_as_it_is_shown(box, turn, quadrant):
    page = Page()
    looks = page.looks(page.form(b""), box, Rotate=generic.NumberObject(turn))
    assert looks.quadrant == quadrant
    assert (looks.page_width, looks.page_height) == ((800, 600) if turn % 180 else (600, 800))


def test_a_page_that_does_not_begin_at_zero():
    page = Page()
    assert page.looks(page.form(b""), (110, 110, 120, 120), (100, 100, 400, 400)).quadrant == (
        "bottom-left"
    )


# ---------------------------------------------------------------- nothing breaks it


def test_what_is_not_there_is_not_shown():
    assert appearance_of(None, None, BOX) is None
    assert appearance_of(generic.DictionaryObject(), generic.DictionaryObject(), None) is None
    assert appearance_of(generic.DictionaryObject(), generic.DictionaryObject(), BOX) is None


@given(st.binary(max_size=300))
def test_any_content_is_read_or_left(content):
    form = generic.StreamObject(stream_data=content)
    drawing = Drawing()
    drawing.take(form)
    assert len(drawing.text) <= 600


@given(
    st.dictionaries(
        st.sampled_from(["/Width", "/Height", "/Filter", "/SMask", "/ColorSpace"]),
        st.integers(-5, 100) | st.sampled_from(["/DeviceRGB", "/X", "/DCTDecode"]),
    )
)
def test_any_image_is_read_or_raises_what_the_caller_catches(entries):
    values = {
        pdf_name(k): generic.NumberObject(v) if isinstance(v, int) else pdf_name(v)
        for k, v in entries.items()
    }
    image = generic.StreamObject(values, encoded_data=b"\x00" * 64)
    page = Page()
    form = page.form(b"/I Do", XObject={"I": page.writer.add_object(image)})
    looks = page.looks(form)
    assert looks is None or looks.page_width == 600
