"""Writing films: the encoder that fits, and the streams that go along untouched."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
from av import Packet, VideoFrame
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.container import OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from lightwell.errors import VideoError
from lightwell.video.film import Film
from lightwell.video.look import Look

__all__ = ["FORMATS", "Encoder", "Sink", "choose_encoder", "format_of"]

FORMATS: Mapping[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}
"""The file formats that are written, by suffix."""

# By the codec's name, in the order in which they stand in for one that cannot be written.
_ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "vp8": "libvpx",
    "prores": "prores_ks",
    "mjpeg": "mjpeg",
    "mpeg4": "mpeg4",
    "mpeg2video": "mpeg2video",
    "ffv1": "ffv1",
    "ffvhuff": "ffvhuff",
    "huffyuv": "huffyuv",
    "utvideo": "utvideo",
    "png": "png",
    "qtrle": "qtrle",
}
_STANDING_IN = ("h264", "hevc", "vp9", "ffv1")
_LAMBDA = 118  # FF_QP2LAMBDA
# What a file says of itself, which the new one says for itself.
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
_OF_THE_STREAM = ("ENCODER", "DURATION", "BPS", "NUMBER_OF_", "_STATISTICS_", "encoder", "vendor_id")


@dataclass(frozen=True)
class Encoder:
    """An encoder with its settings for one film.

    Args:
        codec: the codec's name, such as ``h264``.
        name: the encoder's, such as ``libx264``.
        look: of the film's frames, with the pixel format that the encoder takes.
        options: of the encoder.
        scale: the quantiser's scale, for encoders that go by it.
        reorders: whether the file format holds frames that are decoded in another order than shown.
        note: what differs from the film, in words.
    """

    codec: str
    name: str
    look: Look
    options: Mapping[str, str]
    scale: int | None
    reorders: bool
    note: str | None

    def set(self, context: VideoCodecContext, film: Film) -> None:
        """Makes a fresh encoder ready to be opened."""
        context.height, context.width = self.look.size
        context.pix_fmt = self.look.written
        context.time_base, context.framerate = film.time_base, film.rate.limit_denominator(100_000)
        for name, value in self.look.tags.items():
            setattr(context, name, value)
        aspect = film.stream.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = aspect
        context.flags |= Flags.frame_duration
        if not self.reorders:
            context.max_b_frames = 0
        if self.scale is not None:
            context.qscale, context.global_quality = True, self.scale * _LAMBDA
        context.options = dict(self.options)


def choose_encoder(film: Film, first: VideoFrame, format: str, quality: int) -> Encoder:
    """The encoder of the film's own codec, or else of H.264 or what else the file format takes at this depth.

    Args:
        film: the film.
        first: its first frame.
        format: the file format to write.
        quality: 1 to 100.

    Raises:
        VideoError: there is none.
    """
    own = film.stream.codec.canonical_name
    shallow: Encoder | None = None
    for codec in dict.fromkeys((own, *_STANDING_IN)):
        name = _ENCODERS.get(codec)
        formats = _pixel_formats(name, format)
        if name is None or not formats:
            continue
        look = Look(first, formats)
        options, scale = _settings(codec, quality, film)
        notes = [] if codec == own else [f"written as {codec}: {own} cannot be written here"]
        notes += [] if look.deep else [f"written as {look.written}, which is less deep than {look.format}"]
        encoder = Encoder(codec, name, look, options, scale, format != "avi", "; ".join(notes) or None)
        if not _opens(encoder, film):
            continue
        if look.deep:
            return encoder
        shallow = shallow or encoder
    if shallow is None:
        raise VideoError(f"no encoder is installed for films of the kind {format}")
    return shallow


def _pixel_formats(encoder: str | None, format: str) -> list[str]:
    """What an encoder takes; nothing if there is none, or the file format does not hold what it gives."""
    if encoder is None:
        return []
    try:
        codec = av.Codec(encoder, "w")
        with _scratch(format) as scratch:
            scratch.add_stream(encoder)
    except (UnknownCodecError, ValueError):
        return []
    return [pixels.name for pixels in codec.video_formats or []]


def _opens(encoder: Encoder, film: Film) -> bool:
    context = CodecContext.create(encoder.name, "w")
    assert isinstance(context, VideoCodecContext)
    try:
        encoder.set(context, film)
        context.open()
    except (av.FFmpegError, ValueError, OverflowError):
        return False
    return True


def _settings(codec: str, quality: int, film: Film) -> tuple[dict[str, str], int | None]:
    """Options and the quantiser's scale: 80 is as good as the film to the eye, 100 is what the encoder can at best."""
    loss = 100 - quality
    if codec == "h264":
        return {"crf": f"{min(51, 0.9 * loss):g}"}, None
    if codec == "hevc":
        return {"crf": f"{min(51, loss):g}", "x265-params": "log-level=error"}, None
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # which it writes to standard error
        return {"crf": f"{min(63, round(1.2 * loss)):g}", "preset": "8"}, None
    if codec in ("vp8", "vp9"):
        return {"crf": f"{min(63, round(1.2 * loss)):g}", "b": "0", "deadline": "good", "cpu-used": "4"}, None
    if codec in ("mjpeg", "mpeg4", "mpeg2video"):
        return {}, 1 + min(30, loss // 10)
    if codec == "prores":
        profile = getattr(film.stream.codec_context, "profile", None)
        names = {"Proxy": "0", "LT": "1", "Standard": "2", "HQ": "3", "4444": "4", "XQ": "5"}
        return {"profile": names.get(str(profile), "3")}, None  # which fixes the quality
    return {}, None


class Sink:
    """A film that is being written.

    Args:
        stream: where to.
        film: what it is made of.
        encoder: for its pictures.
        format: the file format.
        shift: what the times are put back by, in seconds.
    """

    def __init__(self, stream: IO[bytes], film: Film, encoder: Encoder, format: str, shift: Fraction) -> None:
        self.notes: list[str] = [encoder.note] if encoder.note else []
        self._shift, self._unit = shift, film.time_base
        options = {}
        if format in ("mp4", "mov"):
            # A film's start is kept in units of the movie's clock, thousandths unless told.
            options["movie_timescale"] = str(_clock(film.time_base))
            if any(key.lower().startswith("com.") for key in film.container.metadata):
                options["movflags"] = "use_metadata_tags"
        self._container: OutputContainer = av.open(stream, "w", format=format, options=options)
        try:
            self._container.metadata.update(_kept(film.container.metadata, _OF_THE_FILE))
            pictures = self._container.add_stream(encoder.name, rate=film.rate.limit_denominator(100_000))
            assert isinstance(pictures, VideoStream)
            self._pictures, context = pictures, pictures.codec_context
            encoder.set(context, film)
            if encoder.codec == "hevc" and format in ("mp4", "mov"):
                context.codec_tag = "hvc1"  # without which Apple's players refuse it
            self._pictures.time_base = film.time_base
            self._pictures.metadata.update(_kept(film.stream.metadata, _OF_THE_STREAM))
            self._pictures.disposition = film.stream.disposition
            if encoder.look.matrix:
                self._pictures.set_display_matrix(encoder.look.matrix)
            self._others = dict(self._along(film, format))
            self._set_chapters(film)
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise

    @property
    def others(self) -> Iterable[int]:
        """The indices of the film's streams that go along."""
        return self._others.keys()

    def frame(self, frame: VideoFrame) -> None:
        """The next frame."""
        frame.pts = (frame.pts or 0) - round(self._shift / self._unit)
        self._container.mux(self._pictures.encode(frame))

    def packet(self, packet: Packet[Any]) -> None:
        """A packet of a stream that goes along."""
        back = round(self._shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - back
        packet.dts = None if packet.dts is None else packet.dts - back
        packet.stream = self._others[packet.stream.index]
        self._container.mux_one(packet)

    def finish(self) -> None:
        """Write what is held back, and the file's end."""
        self._container.mux(self._pictures.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let go of the file, which is of no use then."""
        self._container.close()

    def _along(self, film: Film, format: str) -> Iterator[tuple[int, Stream]]:
        for stream in film.others:
            if not _fits(stream, format):
                kind = stream.codec_context.name if stream.codec_context else getattr(stream, "name", None) or "unknown"
                self.notes.append(f"a {format} file holds no {stream.type} stream of the kind {kind}: it is left out")
                continue
            new = self._container.add_stream_from_template(stream, opaque=True)
            new.metadata.update(_kept(stream.metadata, _OF_THE_STREAM))
            new.disposition = stream.disposition
            yield stream.index, new

    def _set_chapters(self, film: Film) -> None:
        chapters = film.container.chapters()
        for chapter in chapters:
            unit = chapter["time_base"] or Fraction(1, 1000)
            for end in ("start", "end"):
                chapter[end] = max(0, chapter[end] - round(self._shift / unit))
        self._container.set_chapters([chapter for chapter in chapters if chapter["end"] > chapter["start"]])


def _scratch(format: str) -> OutputContainer:
    container: OutputContainer = av.open(io.BytesIO(), "w", format=format)
    return container


def _fits(stream: Stream, format: str) -> bool:
    """Whether a file format takes such a stream: seen by beginning one."""
    try:
        with _scratch(format) as scratch:
            scratch.add_stream_from_template(stream, opaque=True)
            scratch.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _clock(time_base: Fraction) -> int:
    """The multiple of a time base's units a second that a movie's clock can have, at least thousandths."""
    units = time_base.denominator
    return units * -(-1000 // units)


def _kept(metadata: Mapping[str, str], without: tuple[str, ...]) -> dict[str, str]:
    """What is said of a film, without what no longer is true, and what is said twice, once for a language."""
    return {
        key: value
        for key, value in metadata.items()
        if not key.startswith(without) and not (key[-4:-3] == "-" and metadata.get(key[:-4]) == value)
    }


def format_of(path: Path) -> str:
    """The file format that a name's suffix stands for.

    Raises:
        VideoError: it is none that is written.
    """
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        names = ", ".join(FORMATS)
        raise VideoError(f"{path}: a film's name ends in one of {names}")
    return format
