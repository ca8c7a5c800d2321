/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_date.c: points and lengths of time, without locale or clock.
 */
#include "core/limits.h"
#include "core/parse_fields.h"

#define MS_PER_SECOND 1000LL
#define MS_PER_DAY	  86400000LL

/* Lengths beyond a year are as good as for ever, and keep the sums in range. */
#define LONGEST_MS (366 * MS_PER_DAY)

typedef struct DateTime
{
	int year;  /* 1970 to 9999 */
	int month; /* 1 to 12 */
	int day;
	int hour;
	int minute;
	int second; /* 60 is a leap second, and counted as the next minute's first */
} DateTime;

/* n_digits decimal digits at offset; false when they are not. */
static bool
read_digits(UeSlice text, size_t offset, size_t n_digits, int *out)
{
	int value = 0;

	if (offset > text.len || text.len - offset < n_digits)
		return false;
	for (size_t i = offset; i < offset + n_digits; i++)
	{
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (text.ptr[i] - '0');
	}
	*out = value;
	return true;
}

static bool
is_at(UeSlice text, size_t offset, const char *literal)
{
	UeSlice wanted = ue_slice_of(literal);

	return offset <= text.len &&
		   ue_slice_is_equal_fold(ue_slice_sub(text, offset, wanted.len), wanted);
}

/*
 * Days since 1970-01-01 of a proleptic Gregorian date.  Years are counted from March, so
 * that the leap day is a year's last, and the days before month m of such a year are
 * (153 m + 2) / 5.
 */
static int64_t
count_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t month_from_march = month <= 2 ? month + 9 : month - 3;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400;

	return days + (153 * month_from_march + 2) / 5 + day - 1 - 719468;
}

static bool
is_leap_year(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
read_date_time(const DateTime *date, int64_t *out)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (date->year < 1970 || date->month < 1 || date->month > 12 || date->day < 1 ||
		date->day > month_days[date->month - 1] ||
		(date->month == 2 && date->day == 29 && !is_leap_year(date->year)) ||
		date->hour > 23 || date->minute > 59 || date->second > 60)
		return false;
	*out = ((count_days(date->year, date->month, date->day) * 24 + date->hour) * 60 +
			date->minute) *
			   60 * MS_PER_SECOND +
		   date->second * MS_PER_SECOND;
	return true;
}

/* "Nov" at offset; 1 to 12, 0 when it is none. */
static int
read_month(UeSlice text, size_t offset)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 0; month < 12; month++)
		if (ue_slice_is_equal_fold(ue_slice_sub(text, offset, 3),
								   (UeSlice){months + 3 * month, 3}))
			return month + 1;
	return 0;
}

/* "00:01:02" at offset */
static bool
read_clock(UeSlice text, size_t offset, DateTime *date)
{
	return is_at(text, offset + 2, ":") && is_at(text, offset + 5, ":") &&
		   read_digits(text, offset, 2, &date->hour) &&
		   read_digits(text, offset + 3, 2, &date->minute) &&
		   read_digits(text, offset + 6, 2, &date->second);
}

/* Sat, 21 Nov 2026 00:00:00 GMT */
static bool
read_imf_fixdate(UeSlice text, DateTime *date)
{
	date->month = read_month(text, 8);
	return text.len == 29 && is_at(text, 3, ", ") && is_at(text, 7, " ") &&
		   is_at(text, 11, " ") && is_at(text, 16, " ") && is_at(text, 25, " GMT") &&
		   read_digits(text, 5, 2, &date->day) && read_digits(text, 12, 4, &date->year) &&
		   read_clock(text, 17, date);
}

/* Saturday, 21-Nov-26 00:00:00 GMT.  Waits are short, so the century is ours. */
static bool
read_rfc850_date(UeSlice text, DateTime *date)
{
	size_t at;

	if (!ue_slice_find(text, UE_SLICE(", "), &at) || at < 6 || at > 9)
		return false;
	text = ue_slice_sub(text, at + 2, text.len);
	date->month = read_month(text, 3);
	if (text.len != 22 || !is_at(text, 2, "-") || !is_at(text, 6, "-") ||
		!is_at(text, 9, " ") || !is_at(text, 18, " GMT") ||
		!read_digits(text, 0, 2, &date->day) || !read_digits(text, 7, 2, &date->year) ||
		!read_clock(text, 10, date))
		return false;
	date->year += 2000;
	return true;
}

/* Sat Nov 21 00:00:00 2026, with a blank before a day of one digit */
static bool
read_asctime_date(UeSlice text, DateTime *date)
{
	bool is_short = is_at(text, 8, " ");

	date->month = read_month(text, 4);
	return text.len == 24 && is_at(text, 3, " ") && is_at(text, 7, " ") &&
		   is_at(text, 10, " ") && is_at(text, 19, " ") &&
		   read_digits(text, is_short ? 9 : 8, is_short ? 1 : 2, &date->day) &&
		   read_clock(text, 11, date) && read_digits(text, 20, 4, &date->year);
}

bool
ue_parse_http_date(UeSlice text, int64_t *out)
{
	DateTime date = {0, 0, 0, 0, 0, 0};

	return (read_imf_fixdate(text, &date) || read_rfc850_date(text, &date) ||
			read_asctime_date(text, &date)) &&
		   read_date_time(&date, out);
}

/* "Z", "+02:00": what to take off to get UTC, in ms */
static bool
read_zone(UeSlice text, int64_t *out)
{
	int hours;
	int minutes;

	if (text.len == 1 && (text.ptr[0] == 'Z' || text.ptr[0] == 'z'))
	{
		*out = 0;
		return true;
	}
	if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
		text.ptr[3] != ':' || !read_digits(text, 1, 2, &hours) ||
		!read_digits(text, 4, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*out = (hours * 60 + minutes) * 60 * MS_PER_SECOND * (text.ptr[0] == '-' ? -1 : 1);
	return true;
}

bool
ue_parse_rfc3339(UeSlice text, int64_t *out)
{
	DateTime date = {0, 0, 0, 0, 0, 0};
	int64_t ms = 0;
	int64_t scale = 100;
	int64_t seconds;
	int64_t zone;
	size_t at = 19;

	if (!read_digits(text, 0, 4, &date.year) || !is_at(text, 4, "-") ||
		!read_digits(text, 5, 2, &date.month) || !is_at(text, 7, "-") ||
		!read_digits(text, 8, 2, &date.day) ||
		(!is_at(text, 10, "T") && !is_at(text, 10, " ")) ||
		!read_digits(text, 11, 2, &date.hour) || !is_at(text, 13, ":") ||
		!read_digits(text, 14, 2, &date.minute) || !is_at(text, 16, ":") ||
		!read_digits(text, 17, 2, &date.second) || !read_date_time(&date, &seconds))
		return false;
	if (at < text.len && text.ptr[at] == '.')
		for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
		{
			ms += scale * (text.ptr[at] - '0');
			scale /= 10;
		}
	if (!read_zone(ue_slice_sub(text, at, text.len), &zone))
		return false;
	*out = seconds + ms - zone;
	return true;
}

typedef struct Unit
{
	UeSlice name;
	int64_t nanoseconds;
} Unit;

/* Longest spelling first, where one begins another. */
static const Unit units[] = {
	{UE_SLICE_INIT("milliseconds"), 1000000},
	{UE_SLICE_INIT("millisecond"), 1000000},
	{UE_SLICE_INIT("microseconds"), 1000},
	{UE_SLICE_INIT("seconds"), 1000000000},
	{UE_SLICE_INIT("second"), 1000000000},
	{UE_SLICE_INIT("secs"), 1000000000},
	{UE_SLICE_INIT("sec"), 1000000000},
	{UE_SLICE_INIT("minutes"), 60000000000},
	{UE_SLICE_INIT("minute"), 60000000000},
	{UE_SLICE_INIT("mins"), 60000000000},
	{UE_SLICE_INIT("min"), 60000000000},
	{UE_SLICE_INIT("hours"), 3600000000000},
	{UE_SLICE_INIT("hour"), 3600000000000},
	{UE_SLICE_INIT("days"), 86400000000000},
	{UE_SLICE_INIT("day"), 86400000000000},
	{UE_SLICE_INIT("ms"), 1000000},
	{UE_SLICE_INIT("us"), 1000},
	{UE_SLICE_INIT("\xc2\xb5s"), 1000}, /* Go writes the micro sign */
	{UE_SLICE_INIT("ns"), 1},
	{UE_SLICE_INIT("s"), 1000000000},
	{UE_SLICE_INIT("m"), 60000000000},
	{UE_SLICE_INIT("h"), 3600000000000},
	{UE_SLICE_INIT("d"), 86400000000000},
};

static bool
is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static const Unit *
find_unit(UeSlice text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		size_t len = units[i].name.len;

		/* a unit ends where its word ends: "1m30s" yes, "1 month" no */
		if (ue_slice_has_prefix_fold(text, units[i].name) &&
			(text.len == len || !is_letter(text.ptr[len])))
			return &units[i];
	}
	return NULL;
}

/* A decimal number: billionths, saturating far beyond any believable wait. */
static size_t
read_billionths(UeSlice text, int64_t *whole, int64_t *billionths)
{
	int64_t scale = 100000000;
	size_t i = 0;

	*whole = 0;
	*billionths = 0;
	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		if (*whole <= LONGEST_MS)
			*whole = *whole * 10 + (text.ptr[i] - '0');
	if (i == 0)
		return 0;
	if (i + 1 < text.len && text.ptr[i] == '.' && text.ptr[i + 1] >= '0' &&
		text.ptr[i + 1] <= '9')
		for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		{
			*billionths += scale * (text.ptr[i] - '0');
			scale /= 10;
		}
	return i;
}

/* whole.billionths units in ms, rounded up, at most LONGEST_MS */
static int64_t
convert_to_ms(int64_t whole, int64_t billionths, int64_t unit_nanoseconds)
{
	int64_t longest_units = LONGEST_MS / (unit_nanoseconds / 1000000 + 1);
	int64_t part; /* ns */

	if (whole > longest_units)
		return LONGEST_MS;
	if (unit_nanoseconds < 1000000)
		return whole * unit_nanoseconds / 1000000 + 1;
	/* in two steps, so that a billion times a day stays in range */
	part = billionths / 1000 * (unit_nanoseconds / 1000) / 1000;
	return whole * (unit_nanoseconds / 1000000) + (part + 999999) / 1000000;
}

bool
ue_parse_duration(UeSlice text, int64_t bare_unit_ms, size_t *len, int64_t *out)
{
	int64_t total = 0;
	size_t at = 0;
	size_t used = 0;

	while (at < text.len)
	{
		UeSlice rest = ue_slice_sub(text, at, text.len);
		const Unit *unit;
		int64_t whole;
		int64_t billionths;
		size_t n_digits = read_billionths(rest, &whole, &billionths);
		size_t blank;

		if (n_digits == 0)
			break;
		blank = n_digits < rest.len && rest.ptr[n_digits] == ' ' ? 1 : 0;
		unit = find_unit(ue_slice_sub(rest, n_digits + blank, rest.len));
		if (unit == NULL && used > 0)
			break;
		total += convert_to_ms(whole, billionths,
							   unit != NULL ? unit->nanoseconds : bare_unit_ms * 1000000);
		if (total > LONGEST_MS)
			total = LONGEST_MS;
		at += n_digits + (unit != NULL ? blank + unit->name.len : 0);
		used = at;
		if (unit == NULL)
			break;
		while (at < text.len && text.ptr[at] == ' ')
			at++;
	}
	if (used == 0)
		return false;
	if (len != NULL)
		*len = used;
	*out = total;
	return true;
}
