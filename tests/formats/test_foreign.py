"""What other systems export: who gave and who received, what counts, and what is left behind."""

from __future__ import annotations

from datetime import date

import pytest

from tests.formats.sheet import FILES, faults_of, lines_of, passed_of, read, read_file, reading, remarks_of
from timebank.errors import AmountOutOfRange, ColumnsMissing, DurationNotWhole, FieldEmpty, UnknownLayout
from timebank.formats.layouts import LAYOUTS
from timebank.rules.names import NICKNAME_MAX
from timebank.rules.sheets import Fault, HoursLine, MoneyLine, OpeningLine, PersonLine

DAY = date(2025, 3, 1)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_has_a_file_and_a_broken_twin(name: str) -> None:
    assert not faults_of(read_file(name))
    assert (FILES / f"{name}.broken.csv").exists()


# ---------------------------------------------------------------- who gave, who received


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("timeoverflow-transfers", "1,member,2,member,3600,2025-03-01,thanks,"),
        ("komunitin", "payer,payee,description,amount\n1,2,thanks,1"),
        ("mutual-credit", "payer,payee,quantity,created,description\n1,2,1,2025-03-01,thanks"),
    ],
)
def test_whoever_pays_received_the_help_and_whoever_is_paid_gave_it(layout: str, text: str) -> None:
    (line,) = read(text, layout=layout, on=DAY)

    assert isinstance(line, HoursLine)
    assert (line.giver.removeprefix("member:"), line.receiver.removeprefix("member:")) == ("2", "1")


# ---------------------------------------------------------------- TimeOverflow


def test_members_of_timeoverflow_become_first_names_that_differ() -> None:
    lines = lines_of(read_file("timeoverflow-members"))

    assert len(lines) == 22
    assert lines[0] == PersonLine(1, "Hermione", "member:1")
    assert [line.nickname for line in lines if line.nickname.casefold().startswith(("ana", "marta"))] == [
        "Ana",
        "Marta",
        "Ana 2",
        "Ana 3",
        "MARTA 2",
    ]


def test_nothing_but_the_first_name_of_a_member_is_taken_over_and_that_is_said() -> None:
    sheet = reading("1,2018-01-30,Ada,Cadena,Roca,1,1989-03-16,600100200,600100201,ada@example.org")

    assert list(sheet) == [PersonLine(1, "Ada", "member:1")]
    (remark,) = remarks_of(sheet)
    assert "stay behind" in remark


def test_a_made_up_name_never_meets_one_that_was_written_and_never_gets_too_long() -> None:
    long = "x" * NICKNAME_MAX
    rows = "\n".join(
        f"{number},2018-01-30,{name},,,1,,,,"
        for number, name in enumerate(["Ana", "Ana 2", "Ana", long, long], 1)
    )

    names = [line.nickname for line in lines_of(read(rows))]

    assert names == ["Ana", "Ana 2", "Ana 3", long, "x" * (NICKNAME_MAX - 2) + " 2"]


def test_every_fault_of_the_broken_members_is_found() -> None:
    items = read_file("timeoverflow-members.broken")

    assert faults_of(items) == [
        (2, "member_id", "field_empty"),
        (3, "name1", "field_empty"),
        (4, "member_id", "reference_twice"),
        (5, "", "row_width"),
        (6, "name1", "field_invalid"),
    ]
    assert [line.line for line in lines_of(items)] == [1, 7]


def test_transfers_of_timeoverflow_add_up_by_where_they_went() -> None:
    items = read_file("timeoverflow-transfers")

    lines = lines_of(items)
    hours = [line for line in lines if isinstance(line, HoursLine)]
    openings = [line for line in lines if isinstance(line, OpeningLine)]
    assert sum(line.minutes for line in hours if line.receiver) == 1605
    assert sum(line.minutes for line in hours if not line.receiver) == 255
    assert sum(line.amount for line in openings if line.person) == 240
    assert sum(line.amount for line in openings if not line.person) == 240
    assert (len(hours), len(openings), passed_of(items)) == (28, 10, [21])
    assert lines[0] == HoursLine(
        1, date(2018, 3, 7), giver="member:14", receiver="member:21", minutes=120, note="Classe d'anglès"
    )


def test_what_the_organization_pays_for_was_given_to_the_pot() -> None:
    assert read("7,organization,1,member,2700,2025-03-01,,") == [HoursLine(1, DAY, "member:1", "", 45)]


def test_what_a_member_pays_to_the_organization_is_used_up_and_brought_along_by_the_pot() -> None:
    assert read("15,member,7,organization,2700,2025-03-01,,") == [
        OpeningLine(1, DAY, "member:15", True, 45, "minutes"),
        OpeningLine(1, DAY, "", False, 45, "minutes"),
    ]


def test_seconds_that_are_no_minutes_are_refused_unless_the_nearest_is_wanted() -> None:
    text = "1,member,2,member,{},2025-03-01,,"

    assert read(text.format(3630)) == [Fault(1, "amount", DurationNotWhole(), "3630")]
    assert read(text.format(3630), nearest=True) == [HoursLine(1, DAY, "member:2", "member:1", 61)]
    assert read(text.format(3629), nearest=True) == [HoursLine(1, DAY, "member:2", "member:1", 60)]
    (fault,) = read(text.format(29), nearest=True)
    assert fault == Fault(1, "amount", AmountOutOfRange(amount=0, amount_max=10**12), "29")


def test_a_transfer_without_a_day_gets_the_one_that_the_options_say() -> None:
    text = "1,member,2,member,3600,,,"

    assert read(text) == [Fault(1, "created_at", FieldEmpty())]
    assert read(text, on=DAY) == [HoursLine(1, DAY, "member:2", "member:1", 60)]


def test_a_header_that_somebody_wrote_above_is_no_member() -> None:
    head = ",".join(column.name for column in LAYOUTS["timeoverflow-members"].columns)

    items = read(f"{head}\n1,2018-01-30,Ada,,,1,,,,", layout="timeoverflow-members")

    assert items == [PersonLine(2, "Ada", "member:1")]


def test_every_fault_of_the_broken_transfers_is_found() -> None:
    items = read_file("timeoverflow-transfers.broken")

    assert faults_of(items) == [
        (2, "amount", "duration_not_whole"),
        (3, "destination_id", "same_account_twice"),
        (4, "destination_type", "field_invalid"),
        (5, "source_id", "field_empty"),
        (5, "amount", "duration_unreadable"),
        (5, "created_at", "day_unreadable"),
        (6, "amount", "amount_out_of_range"),
        (7, "created_at", "field_empty"),
        (8, "", "row_width"),
    ]
    assert [line.line for line in lines_of(items)] == [1]
    assert passed_of(items) == [9]


# ---------------------------------------------------------------- Komunitin


def test_transfers_of_komunitin_add_up_and_all_have_the_day_that_was_said() -> None:
    lines = lines_of(read_file("komunitin"))

    assert (len(lines), sum(line.minutes for line in lines)) == (24, 1740)
    assert sum(line.minutes for line in lines if line.giver == "NET0003") == 60
    assert {line.day for line in lines} == {DAY}


def test_that_komunitin_has_no_days_is_asked_once_beside_every_other_fault() -> None:
    items = read_file("komunitin.broken", on=None)

    assert faults_of(items)[:2] == [(2, "date", "field_empty"), (3, "payee", "same_account_twice")]
    assert [fault for fault in faults_of(items) if fault[1] == "date"] == [(2, "date", "field_empty")]
    assert lines_of(items) == []


def test_every_fault_of_the_broken_komunitin_file_is_found() -> None:
    items = read_file("komunitin.broken")

    assert faults_of(items) == [
        (3, "payee", "same_account_twice"),
        (4, "payee", "field_empty"),
        (4, "amount", "duration_unreadable"),
        (5, "amount", "number_ambiguous"),
        (6, "", "row_width"),
    ]
    assert [line.line for line in lines_of(items)] == [2, 7]


def test_komunitin_needs_no_header_if_it_is_named_and_takes_one_in_any_language() -> None:
    line = HoursLine(1, DAY, giver="B", receiver="A", minutes=60, note="Pan")
    told = {"layout": "komunitin", "on": DAY}

    assert read("A,B,Pan,1", **told) == [line]
    assert read("pagador,cobrador,concepte,import\nA,B,Pan,1", **told) == [line._replace(line=2)]
    with pytest.raises(UnknownLayout):
        read("A,B,Pan,1", on=DAY)


def test_a_first_amount_that_cannot_be_read_is_a_fault_and_no_header() -> None:
    assert faults_of(read("A,B,Pan,1:75\nA,B,Pan,1", layout="komunitin", on=DAY)) == [
        (1, "amount", "duration_unreadable")
    ]


# ---------------------------------------------------------------- mutual_credit


def test_only_finished_transactions_of_mutual_credit_count() -> None:
    items = read_file("mutual-credit")

    lines = lines_of(items)
    assert (len(lines), sum(line.minutes for line in lines)) == (16, 1185)
    assert passed_of(items) == [4, 7, 8, 9, 12, 13, 16, 20, 23, 27]
    assert lines[0] == HoursLine(2, date(2018, 3, 1), giver="Bo", receiver="Ada", minutes=30, note="Bread")
    assert lines[1].day == date(2018, 1, 31), "seconds since 1970"
    assert lines[2].category == "food", "the first of several"


def test_every_fault_of_the_broken_transactions_is_found() -> None:
    items = read_file("mutual-credit.broken")

    assert faults_of(items) == [
        (3, "payee", "field_empty"),
        (3, "quantity", "duration_unreadable"),
        (3, "created", "day_unreadable"),
        (4, "payee", "same_account_twice"),
        (6, "quantity", "duration_unreadable"),
        (7, "created", "field_empty"),
        (8, "created", "day_unreadable"),
    ]
    assert passed_of(items) == [5], "nothing is asked of what does not count"
    assert [line.line for line in lines_of(items)] == [2]


def test_transactions_without_days_need_one() -> None:
    text = "payer,payee,quantity\nAda,Bo,1"

    with pytest.raises(ColumnsMissing) as refusal:
        read(text)
    assert refusal.value.params == {"columns": "created"}
    assert read(text, on=DAY, layout="mutual-credit") == [HoursLine(2, DAY, "Bo", "Ada", 60)]


def test_a_quantity_has_a_point_unless_the_options_say_a_comma() -> None:
    text = 'payer,payee,quantity,created\nAda,Bo,"{}",2025-03-01'

    assert read(text.format("1.250")) == [HoursLine(2, DAY, "Bo", "Ada", 75)]
    assert read(text.format("1,250"), decimal=",") == [HoursLine(2, DAY, "Bo", "Ada", 75)]


# ---------------------------------------------------------------- Open Collective


def test_what_came_in_and_went_out_of_open_collective_adds_up_to_the_balance() -> None:
    items = read_file("open-collective")

    lines = lines_of(items)
    came_in = sum(line.amount for line in lines if line.incoming)
    went_out = sum(line.amount for line in lines if not line.incoming)
    assert (came_in, went_out) == (18673, 13465)
    assert came_in - went_out == 5208, "the last balance of the file"
    assert passed_of(items) == [24]
    assert {line.person for line in lines} == {""}, "all of them are somebody outside"
    assert len({line.reference for line in lines}) == len(lines)


def test_fees_are_lines_of_their_own_in_every_era() -> None:
    lines = lines_of(read_file("open-collective"))

    def of(line: int) -> list[tuple[bool, int, str]]:
        return [(each.incoming, each.amount, each.reference[8:]) for each in lines if each.line == line]

    # Until June 2021 the host's fee is only in the difference; later it is a line of its own.
    assert of(2) == [(True, 1000, ""), (False, 59, "-processor-fee"), (False, 100, "-host-fee")]
    assert of(9) == [(True, 2000, ""), (False, 88, "-processor-fee")]
    assert of(10) == [(False, 200, "")]
    # Money that goes out costs fees too, a refund brings them back, and tax is neither.
    assert of(8) == [(False, 2500, ""), (False, 48, "-processor-fee")]
    assert of(17) == [(False, 2000, ""), (True, 88, "-processor-fee")]
    assert of(15) == [(True, 1210, ""), (False, 59, "-processor-fee"), (False, 210, "-tax")]


def test_descriptions_become_notes_and_names_of_others_stay_behind() -> None:
    lines = lines_of(read_file("open-collective"))

    assert lines[0] == MoneyLine(
        2,
        date(2020, 1, 20),
        True,
        "",
        1000,
        "USD",
        "platform",
        "a0b1e0ef",
        "Monthly contribution from Guest (Bronze)",
    )
    assert not any("River Fund" in repr(line) for line in lines)


def test_every_fault_of_the_broken_open_collective_file_is_found() -> None:
    items = read_file("open-collective.broken")

    assert faults_of(items) == [
        (3, "type", "direction_unreadable"),
        (4, "type", "direction_unreadable"),
        (4, "currency", "field_invalid"),
        (4, "amount", "amount_unreadable"),
        (5, "netAmount", "field_empty"),
        (5, "shortId", "reference_twice"),
        (6, "datetime", "day_unreadable"),
        (6, "shortId", "field_empty"),
        (6, "paymentProcessorFee", "amount_unreadable"),
        (7, "amount", "amount_too_fine"),
        (8, "netAmount", "amount_unreadable"),
        (9, "", "row_width"),
    ]
    assert {line.line for line in lines_of(items)} == {2, 10}


def test_open_collective_has_exactly_27_columns_and_a_file_with_fewer_is_told_which_lack() -> None:
    names = [column.name for column in LAYOUTS["open-collective"].columns]

    assert len(names) == 27
    with pytest.raises(ColumnsMissing) as refusal:
        read(",".join(names[:-1]) + "\n" + "," * 25 + "x")
    assert refusal.value.params == {"columns": "taxAmount"}


def transaction(**cells: str) -> str:
    """Return a file of Open Collective with one line."""
    names = [column.name for column in LAYOUTS["open-collective"].columns]
    usual = {"datetime": "2025-03-01", "shortId": "a", "type": "CREDIT", "amount": "1", "netAmount": "1"}
    whole = dict.fromkeys(names, "") | usual | {"currency": "USD"} | cells
    return ",".join(names) + "\n" + ",".join(whole.values())


def test_a_difference_that_no_fee_can_be_is_a_fault() -> None:
    assert faults_of(read(transaction(amount="9999999999", netAmount="-9999999999"))) == [
        (2, "netAmount", "amount_out_of_range")
    ]


def test_a_line_that_moves_nothing_is_passed_over_only_if_it_can_be_read() -> None:
    nothing = {"amount": "0", "netAmount": "0"}

    assert passed_of(read(transaction(**nothing))) == [2]
    assert faults_of(read(transaction(**nothing, type="SIDEWAYS"))) == [(2, "type", "direction_unreadable")]


# ---------------------------------------------------------------- hOurworld, Community Weaver


def test_exchanges_add_up_and_the_provider_gave() -> None:
    lines = lines_of(read_file("exchanges"))

    assert (len(lines), sum(line.minutes for line in lines)) == (25, 1560)
    assert lines[0] == HoursLine(
        2, date(2025, 4, 1), "Inés", "Lale", 60, category="Office", note="Yard work, raking"
    )


def test_every_fault_of_the_broken_exchanges_is_found() -> None:
    items = read_file("exchanges.broken")

    assert faults_of(items) == [
        (3, "recipient", "field_empty"),
        (4, "recipient", "same_account_twice"),
        (5, "provider", "field_empty"),
        (5, "date of service", "day_unreadable"),
        (5, "hours", "duration_unreadable"),
        (6, "", "row_width"),
    ]
    assert [line.line for line in lines_of(items)] == [2, 7]


def test_exchanges_are_known_by_other_spellings_and_the_columns_left_behind_are_no_strangers() -> None:
    sheet = reading(
        """
        Provider Name,Receiver Name,Service Date,Hours,Date recorded,Ad
        Ada,Bo,2025-03-01,1.5,2025-03-02,Rides
        """
    )

    assert list(sheet) == [HoursLine(2, DAY, "Ada", "Bo", 90)]
    assert sheet.match.layout.name == "exchanges"
    assert remarks_of(sheet) == ["When an exchange was recorded, and from which ad it came, stays behind."]
