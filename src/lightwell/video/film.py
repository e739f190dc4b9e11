"""Reading films: what a file holds, its frames in order, and all that goes along with them untouched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from lightwell.errors import VideoError

__all__ = ["Film", "Span"]

# The file formats that are read. Play lists, which name other files and addresses, are not among them.
_READ = (
    "3dostr,asf,avi,av1,dv,flv,gif,h264,hevc,ivf,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,ogg,"
    "wav,yuv4mpegpipe"
)
# How far the streams of a file run apart at most, in seconds.
_APART = 10
# What a damaged file makes PyAV raise: it seeks to where nothing is, and holds numbers that are none.
_BROKEN = av.FFmpegError, OSError, ValueError, OverflowError
_MOST_PIXELS = 1 << 26
# What a film may lack at its end without being taken for cut short, in seconds.
_TOLERANCE = 0.25


@dataclass(frozen=True)
class Span:
    """A part of a film, in seconds from its start; None for the film's own end.

    Raises:
        ValueError: it holds nothing.
    """

    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if not (self.start >= 0 and (self.stop is None or self.stop > self.start)):
            raise ValueError("a part of a film begins at 0 s or later, and ends after that")


class Film:
    """A film's file, open for reading.

    Args:
        path: the file.

    Raises:
        VideoError: it is missing, not a film, damaged from the start, or has no pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self.breaks_off: str | None = None
        try:
            self._file = path.open("rb")
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise VideoError(f"{path}: {reason}") from error
        try:
            # As a stream, so that a name never is an address; and what is read may name no other file.
            self.container: InputContainer = av.open(
                self._file,
                "r",
                options={"format_whitelist": _READ, "protocol_whitelist": "none"},
                metadata_errors="replace",
                buffer_size=1 << 18,
            )
        except Exception as error:
            self._file.close()
            if isinstance(error, _BROKEN):
                raise VideoError(
                    f"{path} is not a film that can be read, or is cut short or damaged ({_line(error)})"
                ) from error
            raise
        try:
            self.stream = self._pictures()
        except BaseException:
            self.close()
            raise
        self.time_base: Fraction = self.stream.time_base or Fraction(1, av.time_base)
        self.zero = Fraction(max(self.container.start_time or 0, 0), av.time_base)
        self._end = Fraction(0)
        self._last: int | None = None
        self._size = 0, 0

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.container.close()
        self._file.close()

    def _pictures(self) -> VideoStream:
        """The stream to restore: the first of moving pictures, covers and thumbnails aside."""
        for stream in self.container.streams.video:
            if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
                continue
            if stream.codec_context is None:
                raise VideoError(f"{self.path}: its pictures are coded in a way that cannot be read")
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > _MOST_PIXELS:
                raise VideoError(
                    f"{self.path}: {width}x{height} is too large: {_MOST_PIXELS / 1e6:.0f} million pixels are taken"
                )
            stream.thread_type = "AUTO"
            return stream
        raise VideoError(
            f"{self.path} has no pictures" + (": it is sound alone" if self.container.streams.audio else "")
        )

    @property
    def others(self) -> list[Stream]:
        """The streams that go along: sound, subtitles, data, covers."""
        return [
            stream
            for stream in self.container.streams
            # What the demuxer has used up itself, such as the track of a QuickTime film's chapters.
            if stream.index != self.stream.index and stream.discard != Discard.all
        ]

    @property
    def seconds(self) -> Fraction | None:
        """How long the file says the film is."""
        if self.stream.duration:
            return self.stream.duration * self.time_base
        return Fraction(self.container.duration, av.time_base) if self.container.duration else None

    @property
    def rate(self) -> Fraction:
        """Frames a second; of a variable rate the mean."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    def time(self, frame: VideoFrame) -> Fraction:
        """When a frame is shown, in seconds of the file's clock."""
        return (frame.pts or 0) * self.time_base

    def parts(self, span: Span, others: list[Stream]) -> Iterator[VideoFrame | Packet[Any]]:
        """The frames of a part of the film in the order in which they are shown, and the packets of other streams.

        Damaged frames are left out and counted in `damaged`; where the rest of the file cannot be read, `breaks_off`
        says so.

        Args:
            span: the part.
            others: the streams whose packets are wanted.

        Raises:
            VideoError: the frames change their size, or there is none.
        """
        start, stop = self._bounds(span)
        if span.start > 0:
            with contextlib.suppress(*_BROKEN):
                self.container.seek(int(start / self.time_base), stream=self.stream)
        going = True
        for packet in self._packets([self.stream, *others]):
            if packet is not None and packet.stream.index != self.stream.index:
                if packet.dts is not None and _within(packet, start, stop, span):
                    yield packet
                continue
            if not going and stop is not None and _time(packet) > stop + _APART:
                break
            for frame in self._frames(packet) if going else ():
                if stop is not None and self.time(frame) >= stop:
                    going = False
                    break
                if self.time(frame) >= start or span.start == 0:
                    yield frame
            if not going and not others:
                break
        if self._last is None:
            raise VideoError(f"{self.path}: none of its frames can be read: it is cut short or damaged")
        if going and self.breaks_off is None:
            self._see_end()

    def _bounds(self, span: Span) -> tuple[Fraction, Fraction | None]:
        stop = None if span.stop is None else self.zero + Fraction(span.stop).limit_denominator(1_000_000)
        return self.zero + Fraction(span.start).limit_denominator(1_000_000), stop

    def _packets(self, streams: list[Any]) -> Iterator[Packet[Any] | None]:
        """The file's packets; None where the decoder is to give out what it holds back."""
        packets = self.container.demux(streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except _BROKEN as error:
                self.breaks_off = f"it cannot be read to its end ({_line(error)})"
                yield None
                return
            if packet.pts is not None:
                self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            yield packet

    def _frames(self, packet: Packet[Any] | None) -> Iterator[VideoFrame]:
        try:
            frames = self.stream.decode(packet)
        except _BROKEN:
            self.damaged += 1
            return
        for frame in frames:
            self.damaged += bool(frame.is_corrupt)
            yield self._checked(frame)

    def _checked(self, frame: VideoFrame) -> VideoFrame:
        """A frame with a time later than the last one's, of the size of the first."""
        frame.time_base = self.time_base
        step = frame.duration or max(1, round(1 / self.rate / self.time_base))
        if frame.pts is None or (self._last is not None and frame.pts <= self._last):
            frame.pts = 0 if self._last is None else self._last + step
        frame.duration = step
        size = frame.width, frame.height
        if self._last is not None and size != self._size:
            old, new = ("x".join(map(str, pair)) for pair in (self._size, size))
            at = float(self.time(frame) - self.zero)
            change = f"from {old} to {new} at {at:.2f} s"
            raise VideoError(f"{self.path}: its size changes {change}: restore what is before and after apart")
        self._size, self._last = size, frame.pts
        return frame

    def _see_end(self) -> None:
        if not self.container.duration:
            return
        promised = self.zero + Fraction(self.container.duration, av.time_base)
        if promised - self._end > _TOLERANCE:
            held, whole = float(self._end - self.zero), float(promised - self.zero)
            self.breaks_off = f"it ends after {held:.1f} of {whole:.1f} s: it is cut short"


def _time(packet: Packet[Any] | None) -> Fraction:
    if packet is None:
        return Fraction(0)
    return (packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base


def _within(packet: Packet[Any], start: Fraction, stop: Fraction | None, span: Span) -> bool:
    at = _time(packet)
    return (span.start == 0 or at >= start) and (stop is None or at < stop)


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]
