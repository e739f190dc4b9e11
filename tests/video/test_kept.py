"""What of a film stays as it is, seen through a model that changes nothing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import Array, dark, frames, make, packets, planes, scene, times

from lightwell.video import restore_still, restore_video

UNEVEN = (0, 20, 50, 53, 100, 333, 334, 400)


@pytest.mark.parametrize("name", ["new.mp4", "new.mov"])
def test_each_frame_keeps_its_time_where_the_rate_varies(tmp_path: Path, identity: Path, name: str) -> None:
    film = make(tmp_path / "old.mov", times=UNEVEN)
    done = restore_video(film.path, tmp_path / name, model=identity)
    assert (done.frames, done.notes) == (8, ())
    assert times(tmp_path / name) == [Fraction(time, 600) for time in UNEVEN]


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_avi_stays_avi(tmp_path: Path, identity: Path, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    film = make(
        tmp_path / "old.avi", codec=codec, pixels=pixels, times=range(9), time_base=Fraction(1, 12), last=1, sound=False
    )
    done = restore_video(film.path, tmp_path / "new.avi", model=identity)
    assert (done.codec, done.notes) == (codec, ())
    assert times(tmp_path / "new.avi") == times(film.path)


def test_avi_holds_h264_in_the_order_of_showing(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4", sound=False)
    restore_video(film.path, tmp_path / "new.avi", model=identity)
    brightness = [plane.mean() for plane in planes(tmp_path / "new.avi")]
    assert len(brightness) == 10
    assert brightness == sorted(brightness)


def test_the_last_frame_is_shown_as_long(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    restore_video(film.path, tmp_path / "new.mp4", model=identity)
    with av.open(str(tmp_path / "new.mp4")) as new:
        stream = new.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(500, 600)


def test_times_in_odd_units_are_kept(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4", times=range(0, 8 * 1001, 1001), time_base=Fraction(1, 30000), last=1001)
    restore_video(film.path, tmp_path / "new.mp4", model=identity)
    assert times(tmp_path / "new.mp4") == times(film.path)


def test_a_film_that_starts_late_starts_late(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4", times=(137, 187, 237), sound=True)
    assert times(film.path)[0] > 0
    restore_video(film.path, tmp_path / "new.mp4", model=identity)
    assert times(tmp_path / "new.mp4") == times(film.path)


def test_matroska_counts_thousandths(tmp_path: Path, identity: Path) -> None:
    """It has no times before zero either: where sound begins there, as AAC in MP4 does, all of the film comes later."""
    film = make(tmp_path / "old.mp4", times=UNEVEN)
    restore_video(film.path, tmp_path / "new.mkv", model=identity)
    early = -packets(film.path, "audio")[0][0]
    for a, b in zip(times(tmp_path / "new.mkv"), times(film.path), strict=True):
        assert abs(a - b - early) <= Fraction(1, 1000)
    restore_video(tmp_path / "new.mkv", tmp_path / "newer.mkv", model=identity)
    assert times(tmp_path / "newer.mkv") == times(tmp_path / "new.mkv")


def test_sound_chapters_and_words_go_along(tmp_path: Path, identity: Path) -> None:
    words = {"title": "Dusk", "artist": "Ærø", "com.apple.quicktime.model": "iPhone 5", "date": "2015"}
    film = make(tmp_path / "old.mkv", metadata=words, chapters=True)
    for name in ("new.mkv", "new.mov", "new.mp4"):
        restore_video(film.path, tmp_path / name, model=identity)
        assert [data for _, data in packets(tmp_path / name, "audio")] == [
            data for _, data in packets(film.path, "audio")
        ]
        with av.open(str(film.path)) as old, av.open(str(tmp_path / name)) as new:
            assert [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in new.chapters()] == [
                (c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in old.chapters()
            ]
            assert [c["metadata"]["title"] for c in new.chapters()] == ["dusk", "night"]
            told = {key.lower(): value for key, value in new.metadata.items()}
            assert {"title": told["title"], "date": told["date"]} == {"title": "Dusk", "date": "2015"}
            assert told["com.apple.quicktime.model"] == "iPhone 5"


def test_sound_keeps_its_times(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    restore_video(film.path, tmp_path / "new.mp4", model=identity)
    assert packets(tmp_path / "new.mp4", "audio") == packets(film.path, "audio")


def _with_subtitles(path: Path) -> Path:
    """A Matroska film with a line of text under it, of a second, and a font."""
    inner = make(path.with_name("inner.mkv"))
    with av.open(str(inner.path)) as old, av.open(str(path), "w") as new:
        streams = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        lines = new.add_mux_stream("subrip", time_base=Fraction(1, 1000))
        new.add_attachment("font.ttf", "application/x-truetype-font", b"no font")
        written = False
        for packet in old.demux():
            if not packet.size:
                continue
            if not written:
                text = av.Packet(b"Who is there?")
                text.pts = text.dts = 100
                text.duration, text.time_base, text.stream = 500, Fraction(1, 1000), lines
                new.mux(text)
                written = True
            packet.stream = streams[packet.stream.index]
            new.mux(packet)
    return path


def test_subtitles_and_attachments_go_along_or_are_told_of(tmp_path: Path, identity: Path) -> None:
    film = _with_subtitles(tmp_path / "old.mkv")
    done = restore_video(film, tmp_path / "new.mkv", model=identity)
    assert done.notes == ()
    assert packets(tmp_path / "new.mkv", "subtitle") == [(Fraction(1, 10), b"Who is there?")]
    with av.open(str(tmp_path / "new.mkv")) as new:
        assert [s.data for s in new.streams if s.type == "attachment"] == [b"no font"]
    done = restore_video(film, tmp_path / "new.mp4", model=identity)
    assert len(done.notes) == 2
    assert "mp4 file holds no subtitle stream of the kind" in done.notes[0]


@pytest.mark.parametrize(
    ("codec", "pixels", "bits"),
    [
        ("libx264", "yuv420p", 8),
        ("libx264", "yuv420p10le", 10),
        ("libx265", "yuv420p10le", 10),
        ("libx265", "yuv422p12le", 12),
        ("libx264", "yuv444p", 8),
        ("ffv1", "yuv422p10le", 10),
        ("prores_ks", "yuv422p10le", 10),
    ],
)
def test_codec_depth_and_samples_stay(tmp_path: Path, identity: Path, codec: str, pixels: str, bits: int) -> None:
    options = {"x265-params": "log-level=error:crf=2"} if codec == "libx265" else None
    name = "new.mkv" if codec == "ffv1" else "new.mov"
    old_path = (tmp_path / name).with_stem("old")
    film = make(old_path, codec=codec, pixels=pixels, options=options, times=(0, 50, 100))
    done = restore_video(film.path, tmp_path / name, model=identity, quality=100)
    old, new = frames(film.path), frames(tmp_path / name)
    assert done.notes == ()
    assert new[0].format.name == old[0].format.name == pixels
    with av.open(str(film.path)) as before, av.open(str(tmp_path / name)) as after:
        assert after.streams.video[0].codec.canonical_name == before.streams.video[0].codec.canonical_name
    for a, b in zip(planes(film.path), planes(tmp_path / name), strict=True):
        assert np.abs(a - b).mean() < 1.2 * 2 ** (bits - 8)
        assert abs((a - b).mean()) < 0.3 * 2 ** (bits - 8)


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        ("yuv420p", {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}),
        ("yuv420p", {"colorspace": 1, "color_primaries": 12, "color_trc": 13, "color_range": 2}),
        ("yuv420p10le", {"colorspace": 9, "color_primaries": 9, "color_trc": 14, "color_range": 1}),
        ("yuv420p10le", {"colorspace": 9, "color_primaries": 9, "color_trc": 18, "color_range": 1}),
        ("yuv420p10le", {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}),
        ("yuvj420p", {}),
    ],
)
def test_colours_mean_what_they_meant(tmp_path: Path, identity: Path, pixels: str, tags: dict[str, int]) -> None:
    film = make(tmp_path / "old.mp4", lambda frame: 0.2 + dark(frame), pixels=pixels, tags=tags, times=(0, 50))
    done = restore_video(film.path, tmp_path / "new.mp4", model=identity, quality=100)
    old, new = frames(film.path)[1], frames(tmp_path / "new.mp4")[1]
    for name in ("colorspace", "color_primaries", "color_trc", "color_range"):
        assert getattr(new, name) == getattr(old, name), name
    high = {18: "HLG", 16: "PQ"}.get(tags.get("color_trc", 1))
    assert [high in note for note in done.notes] == ([True] if high else [])
    bits = old.format.components[0].bits
    for a, b in zip(planes(film.path), planes(tmp_path / "new.mp4"), strict=True):
        assert np.abs(a - b).mean() < 1.0 * 2 ** (bits - 8)


@pytest.mark.parametrize("name", ["old.mp4", "old.mkv"])
def test_what_a_film_says_of_its_old_light_is_left_out_and_told(tmp_path: Path, identity: Path, name: str) -> None:
    """HDR10: the display it was made on, and how bright it gets at most."""
    display = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    colours = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    options = {"x265-params": f"log-level=none:{display}:max-cll=1000,400:{colours}"}
    film = make(tmp_path / name, codec="libx265", pixels="yuv420p10le", options=options)
    kinds = {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}
    assert kinds <= {data.type.name for data in frames(film.path)[0].side_data}
    done = restore_video(film.path, tmp_path / f"new_{name}", model=identity)
    new = frames(tmp_path / f"new_{name}")[0]
    assert not kinds & {data.type.name for data in new.side_data}
    assert new.color_trc == 16
    notes = "what it says of its old light is left out: mastering display, content light level"
    assert [note for note in done.notes if "old light" in note] == [notes]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_films_stay_so_and_are_seen_upright(
    tmp_path: Path, identity: Path, degrees: int, mirrored: bool
) -> None:
    """ImageMagick's and every player's way: the stored frame is turned, then mirrored."""
    upright = np.full((48, 48, 3), 0.3)
    upright[:12, :24] = 0.9
    stored = np.rot90(upright[:, ::-1] if mirrored else upright, -degrees // 90)
    film = make(tmp_path / "old.mp4", lambda _: stored, times=(0, 50), rotation=(degrees, mirrored))
    still = restore_still(film.path, model=identity)
    assert still.size == (48, 48)
    assert still.pixels[2:10, 2:22].mean() > 200
    assert still.pixels[14:].mean() < 90
    restore_video(film.path, tmp_path / "new.mp4", model=identity)
    old, new = frames(film.path)[0], frames(tmp_path / "new.mp4")[0]
    assert new.rotation == old.rotation
    assert [bytes(data) for data in new.side_data if data.type.name == "DISPLAYMATRIX"] == [
        bytes(data) for data in old.side_data if data.type.name == "DISPLAYMATRIX"
    ]
    assert np.abs(planes(film.path)[0] - planes(tmp_path / "new.mp4")[0]).mean() < 2


def test_a_still_has_the_depth_and_the_time_that_are_asked_for(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4", pixels="yuv420p10le", times=range(0, 500, 50))
    still = restore_still(film.path, model=identity, start=0.4)
    assert still.bits == 16
    assert still.pixels.mean() / 65535 == pytest.approx(dark(5).mean(), rel=0.05)
    eight = make(tmp_path / "eight.mp4")
    assert restore_still(eight.path, model=identity).bits == 8


def test_a_part_begins_at_its_first_frame_and_ends_before_its_end(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4", times=range(0, 1000, 50))
    done = restore_video(film.path, tmp_path / "new.mp4", model=identity, start=0.3, stop=0.6)
    old = [time for time in times(film.path) if Fraction(3, 10) <= time < Fraction(6, 10)]
    assert done.frames == len(old) == 4
    assert times(tmp_path / "new.mp4") == [time - old[0] for time in old]
    brightness = [plane.mean() for plane in planes(tmp_path / "new.mp4")]
    whole = [plane.mean() for plane in planes(film.path)]
    np.testing.assert_allclose(brightness, whole[4:8], atol=1)
    sound = packets(film.path, "audio")
    kept = packets(tmp_path / "new.mp4", "audio")
    assert [data for _, data in kept] == [data for time, data in sound if 0.3 <= time < 0.6]
    first = next(time for time, _ in sound if time >= Fraction(3, 10))
    assert abs(kept[0][0] - (first - old[0])) <= Fraction(1, 16000)


def test_what_another_format_cannot_hold_is_told(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    done = restore_video(film.path, tmp_path / "new.webm", model=identity)
    assert done.codec == "vp9"
    assert any("written as vp9: h264 cannot be written here" in note for note in done.notes)
    assert any("webm file holds no audio stream" in note for note in done.notes)
    deep = make(tmp_path / "deep.mp4", pixels="yuv420p10le")
    done = restore_video(deep.path, tmp_path / "deep.webm", model=identity)
    assert frames(tmp_path / "deep.webm")[0].format.components[0].bits == 10 or "less deep" in " ".join(done.notes)


def test_transparency_stays(tmp_path: Path, exposure: Path) -> None:
    with av.open(str(tmp_path / "old.mov"), "w") as film:
        stream = film.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        alpha = np.linspace(0, 255, 64).astype(np.uint8) * np.ones((48, 1), np.uint8)
        rgba = np.concatenate([(scene() * 60).astype(np.uint8), alpha[..., None]], 2)
        film.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba")))
        film.mux(stream.encode(None))
    done = restore_video(tmp_path / "old.mov", tmp_path / "new.mov", model=exposure)
    assert done.codec == "qtrle"
    (frame,) = frames(tmp_path / "new.mov")
    new = frame.to_ndarray(format="rgba")
    assert np.abs(new[..., 3].astype(int) - alpha).max() <= 1
    assert new[..., :3].mean() == pytest.approx(127, abs=3)


def test_quality_makes_larger_files(tmp_path: Path, identity: Path) -> None:
    def noisy(frame: int) -> Array:
        return dark(frame, noise=0.05)

    film = make(tmp_path / "old.mp4", noisy)
    sizes = []
    for quality in (1, 50, 80, 100):
        restore_video(film.path, tmp_path / f"{quality}.mp4", model=identity, quality=quality)
        sizes.append((tmp_path / f"{quality}.mp4").stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 3 * sizes[0]
