"""When a problem is retrained by itself: the section `schedule`, which the build scripts read and no step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from forecasting.problem.sections import Section

WeekDay = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MAX_POLL_MINUTES = 1_440


class Recurrence(Section):
    """Every so many minutes, hours, days, weeks or months; at: times of a day, of days and weeks only."""

    every: Literal["minute", "hour", "day", "week", "month"]
    interval: Annotated[int, Field(ge=1, le=500)] = 1
    days: Annotated[tuple[WeekDay, ...], Field(strict=False)] = ()
    at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None
    # Fixed, because a schedule without a start fires as soon as it is created; the first Monday counts the intervals.
    start: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")] = "2024-01-01T00:00:00"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"  # a Windows name, such as W. Europe Standard Time

    @model_validator(mode="after")
    def _fits_together(self) -> Recurrence:
        if self.days and self.every != "week":
            raise ValueError("days needs every: week")
        if self.at is not None and self.every not in ("day", "week"):
            raise ValueError("at needs every: day or every: week")
        return self


class Schedule(Section):
    """recurrence: by the clock. on_data: when a marker says that data has come; asked every poll_minutes."""

    recurrence: Recurrence | None = None
    on_data: bool = False
    poll_minutes: Annotated[int, Field(ge=1, le=MAX_POLL_MINUTES)] = 5

    @model_validator(mode="after")
    def _fires(self) -> Schedule:
        if self.recurrence is None and not self.on_data:
            raise ValueError("nothing starts a training: give recurrence, or on_data: true")
        return self
