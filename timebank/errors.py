"""Every refusal there is: a code that never changes, parameters as data, and whether trying again can help.

Refusal
├── Malformed        the request itself cannot be read
├── Unknown          what it names is not there, or not for you to see
├── NotAllowed       you may not do this
│   └── NotSignedIn
├── Conflict         well formed, but the book or the rules say no
├── Busy             nothing wrong with it; not now
└── Unsafe           the server itself must not run like this

A refusal is raised where a request ends, and returned as a value inside a batch, where one
refused command must leave the others alone. The HTTP status is chosen at the edge, the
sentence is translated there.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def N_(message: str) -> str:  # noqa: N802 - the name that catalogue tools look for
    """Mark a sentence for the catalogues; it is translated where it is shown."""
    return message


class Refusal(Exception):
    """Something a person may get wrong; a class is a reason, an object is one occasion.

    Attributes:
        code: Stable name of the reason, part of the API; lower case with underscores.
        message: Sentence for people, with ``%(name)s`` places filled from ``params``.
        retryable: Whether the same request may succeed later, under a new key.
        params: What the sentence and a program need to know; never a name of a person.
        faults: Every field that is wrong, where one or several are: (path such as ``items[2].minutes``,
            what is wrong with it), in the order of the request.
    """

    code: ClassVar[str] = "refused"
    message: ClassVar[str] = N_("This cannot be done.")
    retryable: ClassVar[bool] = False

    def __init__(self, **params: str | int) -> None:
        super().__init__(self.code, params)
        self.params: dict[str, str | int] = params
        self.faults: tuple[tuple[str, Refusal], ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Refusal) and self.params == other.params

    def __hash__(self) -> int:
        return hash((self.code, tuple(sorted(self.params.items()))))


class Malformed(Refusal):
    """The request itself cannot be read; sending the same again never helps."""


class Unknown(Refusal):
    """What the request names is not there, or not for this actor to see."""


class NotAllowed(Refusal):
    """The actor may not do this, whatever the state of the book."""


class NotSignedIn(NotAllowed):
    """No valid token or session came with the request."""

    code = "not_signed_in"
    message = N_("Please sign in first.")


class Conflict(Refusal):
    """Well formed and allowed, but the book or the rules of the pot say no."""


class Busy(Refusal):
    """Nothing is wrong with the request; it cannot be served now."""

    retryable = True


class ServerFault(Refusal):
    """A mistake of this program; the log says more, the answer never does."""

    code = "server_fault"
    message = N_("Something went wrong on our side. If you sent something, look before you send it again.")
    retryable = True


class Unsafe(Refusal):
    """The server must not run on this database; whoever keeps the server has to change something."""


# ---------------------------------------------------------------- malformed: amounts, dates, keys


class AmountOutOfRange(Malformed):
    """An amount is below 1 or above 10^12 of the smallest unit."""

    code = "amount_out_of_range"
    message = N_("The amount must be between 1 and %(amount_max)s; %(amount)s was given.")


class AmountTooFine(Malformed):
    """An amount of money has more digits after the point than its currency."""

    code = "amount_too_fine"
    message = N_("%(currency)s has %(digits)s digits after the point; this has more.")


class AmountUnreadable(Malformed):
    """A written amount of money cannot be read."""

    code = "amount_unreadable"
    message = N_("This is no amount such as 12.50.")


class ColumnsMissing(Malformed):
    """A file lacks columns that its layout needs."""

    code = "columns_missing"
    message = N_("These columns are missing: %(columns)s. Say which of the file's columns they are.")


class DateBeforeBegin(Malformed):
    """Something is dated before the group's book began."""

    code = "date_before_begin"
    message = N_("The book of this group begins on %(began_on)s; %(effective_on)s is before that.")


class DateInFuture(Malformed):
    """Something is dated later than today in the group's time zone."""

    code = "date_in_future"
    message = N_("%(effective_on)s is in the future; today is %(today)s.")
    retryable = True


class DayAmbiguous(Malformed):
    """A written day could be read in two ways, and nobody said in which."""

    code = "day_ambiguous"
    message = N_("Is that day first or month first? Say how the file writes days.")


class DayUnreadable(Malformed):
    """A written day cannot be read, or is in no calendar."""

    code = "day_unreadable"
    message = N_("This is no day such as 2025-12-31.")


class DirectionUnreadable(Malformed):
    """Money neither comes in nor goes out."""

    code = "direction_unreadable"
    message = N_("Write in or out.")


class DurationNotWhole(Malformed):
    """A written time is no whole number of minutes."""

    code = "duration_not_whole"
    message = N_("This is no whole number of minutes. Write hours and minutes, such as 1:20.")


class DurationUnreadable(Malformed):
    """A written time cannot be read."""

    code = "duration_unreadable"
    message = N_("This is no time such as 1:30, 1h30, 90m or 1.5.")


class FieldEmpty(Malformed):
    """A cell that is needed has nothing in it."""

    code = "field_empty"
    message = N_("Something is needed here.")


class FieldInvalid(Malformed):
    """One field of a request has a wrong shape; ``field`` says which, ``why`` what is wrong."""

    code = "field_invalid"
    message = N_("The field %(field)s cannot be read: %(why)s.")


class FileUnreadable(Malformed):
    """A file is not what it should be, or goes on in a way that cannot be read; ``why`` says more."""

    code = "file_unreadable"
    message = N_("The file cannot be read: %(why)s.")


class KeyInvalid(Malformed):
    """An Idempotency-Key is empty, longer than 255 characters or not printable ASCII."""

    code = "idempotency_key_invalid"
    message = N_("The Idempotency-Key must be 1 to 255 printable ASCII characters.")


class KeyMissing(Malformed):
    """A POST that writes to the book came without an Idempotency-Key."""

    code = "idempotency_key_missing"
    message = N_("This request needs an Idempotency-Key, so that sending it twice does nothing twice.")


class KeyNotIssued(Malformed):
    """Somebody without an account sent a key that did not come with the form."""

    code = "key_not_issued"
    message = N_("Open the form once more: the key that came with this request is not its own.")
    retryable = True


class KeyNotOfTheLog(Malformed):
    """A key that should introduce new ones is not one that counts in the public log."""

    code = "key_not_of_the_log"
    message = N_("This key is not of the public log in the archive: it can introduce no new key.")


class KeyReused(Malformed):
    """A key was used before, by the same actor, for a different request."""

    code = "idempotency_key_reused"
    message = N_("This Idempotency-Key was used before for a different request.")


class MalformedAmount(Malformed):
    """An amount is not a whole number."""

    code = "malformed_amount"
    message = N_("The amount must be a whole number of minutes or of the smallest coin.")


class MalformedBody(Malformed):
    """The body is not JSON, has unknown or duplicate fields, or a field of a wrong type."""

    code = "malformed_body"
    message = N_("The request cannot be read: %(why)s.")


class NumberAmbiguous(Malformed):
    """A written number could be read in two ways, and nobody said which sign is the decimal one."""

    code = "number_ambiguous"
    message = N_("This could be two different numbers. Say which decimal sign the file has.")


class PolicyInvalid(Malformed):
    """Rules proposed for a pot are wrong; ``faults`` says of every field what is."""

    code = "policy_invalid"
    message = N_("These rules cannot be a pot's: look at %(fields)s.")

    @classmethod
    def of(cls, faults: Sequence[FieldInvalid]) -> PolicyInvalid:
        """Return the refusal that tells all of these."""
        refusal = cls(fields=", ".join(str(fault.params["field"]) or "$" for fault in faults))
        refusal.faults = tuple((str(fault.params["field"]), fault) for fault in faults)
        return refusal


class QuoteOpen(Malformed):
    """A quotation mark that a cell begins with is never closed."""

    code = "quote_open"
    message = N_("A quotation mark is opened here and never closed.")


class ReferenceTwice(Malformed):
    """Two lines of a file have the same reference, so one of them may be there twice."""

    code = "reference_twice"
    message = N_("Line %(line)s has the same reference.")


class RowWidth(Malformed):
    """A line of a file has another number of cells than its header."""

    code = "row_width"
    message = N_(
        "This line has %(cells)s cells and should have %(columns)s; perhaps it is divided by another sign."
    )


class SameAccountTwice(Malformed):
    """A transfer would move something from an account to itself."""

    code = "same_account_twice"
    message = N_("Nothing can be moved from an account to itself.")


class TooLarge(Malformed):
    """The body or the batch is larger than this route takes."""

    code = "too_large"
    message = N_("The request is too large: at most %(limit)s.")


class TotalsDiffer(Malformed):
    """A file says what it adds up to, and it does not: lines are missing, doubled or changed."""

    code = "totals_differ"
    message = N_("The file says that it adds up to %(told)s; its lines add up to %(found)s.")


class UnitMismatch(Malformed):
    """A transfer names a unit that one of its accounts does not keep."""

    code = "unit_mismatch"
    message = N_("%(unit)s cannot be moved here: this account keeps %(account_unit)s.")


class UnknownLayout(Malformed):
    """The columns of a file are those of no layout that can be read."""

    code = "unknown_layout"
    message = N_("These columns are not known. Say which layout the file has, or which column is what.")


class UnsupportedMedia(Malformed):
    """The body is not said to be JSON."""

    code = "unsupported_media_type"
    message = N_("Send the request as application/json.")


class WrongMethod(Malformed):
    """There is something at this address, but it does not take this method."""

    code = "wrong_method"
    message = N_("This address does not take %(method)s.")


# ---------------------------------------------------------------- unknown


class MemberNotFound(Unknown):
    """An address or a search names a member who is not in this group, or no longer."""

    code = "member_not_found"
    message = N_("There is no such member in this group.")


class UnknownAccount(Unknown):
    """An account number that is not in this book."""

    code = "unknown_account"
    message = N_("There is no such account in this book.")


class UnknownCard(Unknown):
    """No sign-in card that still holds has this id here, or it is not for this actor."""

    code = "unknown_card"
    message = N_("There is no such sign-in card, or it was used.")


class UnknownCategory(Unknown):
    """A category that the group does not keep."""

    code = "unknown_category"
    message = N_("This group has no such category.")


class UnknownDraw(Unknown):
    """A draw that is not there, or not this actor's to see."""

    code = "unknown_draw"
    message = N_("There is no such ask in this group.")


class UnknownEntry(Unknown):
    """An entry that is not there, or not this actor's to see."""

    code = "unknown_entry"
    message = N_("There is no such entry in this book.")


class UnknownGroup(Unknown):
    """No group has this address."""

    code = "unknown_group"
    message = N_("There is no group at this address.")


class UnknownHeldPlace(Unknown):
    """A place where money is kept that the group does not have in this unit."""

    code = "unknown_held_place"
    message = N_("This group keeps no %(currency)s at such a place.")


class UnknownHours(Unknown):
    """Hours that are not there, or not this actor's to see."""

    code = "unknown_hours"
    message = N_("There are no such hours in this group.")


class UnknownImport(Unknown):
    """An import that is not there, or not this actor's to see."""

    code = "unknown_import"
    message = N_("There is no such import in this group.")


class UnknownInvitation(Unknown):
    """An invitation that is not there, or whose secret is another."""

    code = "unknown_invitation"
    message = N_("There is no such invitation, or it does not work any more.")


class UnknownJob(Unknown):
    """Long work that is not there, or not this actor's to see."""

    code = "unknown_job"
    message = N_("There is no such work in this group.")


class UnknownJoinRequest(Unknown):
    """A request to join that is not there, or whose secret is another."""

    code = "unknown_join_request"
    message = N_("There is no such request to join.")


class UnknownMailLink(Unknown):
    """A mailed link that never was, was used, is too old, or belongs to another browser."""

    code = "unknown_mail_link"
    message = N_("This link does not work any more. Ask for a new one.")


class UnknownMember(Unknown):
    """A member id that is not in this group, or no longer."""

    code = "unknown_member"
    message = N_("There is no such member in this group.")


class UnknownPage(Unknown):
    """Nothing is at this address."""

    code = "unknown_page"
    message = N_("There is nothing at this address.")


class UnknownPasskey(Unknown):
    """This member has no passkey with this id."""

    code = "unknown_passkey"
    message = N_("There is no such passkey.")


class UnknownPot(Unknown):
    """A pot that the group does not have."""

    code = "unknown_pot"
    message = N_("This group has no such pot.")


class UnknownSession(Unknown):
    """This member has no session with this id that still holds."""

    code = "unknown_session"
    message = N_("There is no such session, or it has ended.")


class UnknownStandIn(Unknown):
    """A stand-in tie that is not there, or not this actor's to see."""

    code = "unknown_stand_in"
    message = N_("There is no such stand-in in this group.")


class UnknownProposal(Unknown):
    """A proposal that is not there, or not this actor's to see."""

    code = "unknown_proposal"
    message = N_("There is no such proposal in this group.")


class UnknownRecovery(Unknown):
    """No way back in was asked for under this id, or none that this actor may see."""

    code = "unknown_recovery"
    message = N_("No such way back in was asked for.")


class UnknownToken(Unknown):
    """No token that still holds has this id."""

    code = "unknown_token"
    message = N_("There is no such token in this group, or it was ended before.")


# ---------------------------------------------------------------- not allowed


class CardForDuty(NotAllowed):
    """A sign-in card for somebody else who carries duties; whoever prints it could become them."""

    code = "card_for_duty"
    message = N_("Somebody with a duty prints a card themselves, or gets one from whoever keeps the server.")


class CardNeeded(NotAllowed):
    """A session that began with mail cannot set up the first passkey or app of somebody with duties."""

    code = "card_needed"
    message = N_(
        "You carry a duty: sign in with a printed card to set this up. A link by mail is not enough."
    )


class FormNotOurs(NotAllowed):
    """A request that changes something came with a session but without its token, or from another site."""

    code = "form_not_ours"
    message = N_("This did not come from a page of ours, or the page was too old. Open it again.")


class MadeTheirCard(NotAllowed):
    """Whoever printed a sign-in card for somebody, or is them, does not say that they are who they are."""

    code = "made_their_card"
    message = N_(
        "You printed a sign-in card for this person, or they are you; another steward says who they are."
    )


class MayNotGive(NotAllowed):
    """A duty that this actor cannot give to anybody or take away."""

    code = "may_not_give"
    message = N_("You cannot give or take away the duty %(role)s.")


class NeedsAccount(NotAllowed):
    """The rules of this pot let members ask, and nobody else."""

    code = "needs_account"
    message = N_("Only members may ask this pot. Sign in, or ask a steward.")


class NeedsRole(NotAllowed):
    """Only members with a certain duty may do this."""

    code = "needs_role"
    message = N_("Only a %(role)s may do this.")


class NeedsScope(NotAllowed):
    """The token was not made for this."""

    code = "needs_scope"
    message = N_("This token may not be used for that; it needs the scope %(scope)s.")


class NotYourConsent(NotAllowed):
    """Nobody stands in for somebody by their own word: that person says so, or a steward writes it down."""

    code = "not_your_consent"
    message = N_(
        "The person themselves must agree to this, or a steward who is not the stand-in writes it down."
    )


class NotYourself(NotAllowed):
    """Only the person themselves, or a certain duty, may do this."""

    code = "not_yourself"
    message = N_("Only the person themselves or a %(role)s may do this.")


class NotAsker(NotAllowed):
    """Only whoever asked, or stands in for them, may take this step."""

    code = "not_asker"
    message = N_("Only whoever asked may do this.")


class NotYourDraw(NotAllowed):
    """Nobody decides on or pays out a draw they asked for."""

    code = "own_draw"
    message = N_("You asked for this yourself; somebody else decides on it and hands it over.")


class NotYourEntry(NotAllowed):
    """Only who took part in an entry, or a steward, may correct it."""

    code = "not_your_entry"
    message = N_("Only those who took part in this entry, or a steward, may correct it.")


class NotYourHours(NotAllowed):
    """This step with hours is the other side's to take, or a steward's."""

    code = "not_your_hours"
    message = N_("That is for the other one to say, or for a steward.")


class NotYourProposal(NotAllowed):
    """Only who proposed something, or somebody with a duty, ends it."""

    code = "not_your_proposal"
    message = N_("Only who proposed this, or a steward or treasurer, may do that.")


class OwnHours(NotAllowed):
    """Nobody settles as a steward what they took part in."""

    code = "own_hours"
    message = N_("You took part in this yourself; another steward settles it.")


class OwnProposal(NotAllowed):
    """What takes two people is not signed by the one who proposed it."""

    code = "own_proposal"
    message = N_("You proposed this yourself; somebody else signs it.")


class PayerApproved(NotAllowed):
    """Whoever approved a draw of money does not also hand it over."""

    code = "payer_approved"
    message = N_("You said yes to this ask; somebody else hands the money over.")


class ProofFailed(NotAllowed):
    """A code, passkey or card does not prove who somebody is; why is not told."""

    code = "proof_failed"
    message = N_("This does not prove that it is you. A code is good once and for half a minute.")


class SignInFailed(NotAllowed):
    """A card or passkey does not sign anybody in; why is not told."""

    code = "sign_in_failed"
    message = N_("This does not sign you in. It may be mistyped, used already or too old.")


class StepUpNeeded(NotAllowed):
    """Somebody signed in longer ago than this act allows; proving again who they are helps."""

    code = "step_up_needed"
    message = N_("Please prove once more that it is you; then send it again.")
    retryable = True


class UnknownWitness(NotAllowed):
    """A cosigned checkpoint has no signature of a witness or an auditor who is known here."""

    code = "unknown_witness"
    message = N_("No witness or auditor who is known here has signed this.")


# ---------------------------------------------------------------- conflict


class AccountClosed(Conflict):
    """An account that takes no more entries but corrections of those it has."""

    code = "account_closed"
    message = N_("This account is closed.")


class AlreadyApproved(Conflict):
    """The same person said yes to the same draw before."""

    code = "already_approved"
    message = N_("You said yes to this ask already.")


class AlreadyCorrected(Conflict):
    """An entry can be corrected once only; correct the entry that replaced it."""

    code = "already_corrected"
    message = N_("This entry was corrected already.")


class AlreadyDone(Conflict):
    """A step that cannot be taken twice was taken before."""

    code = "already_done"
    message = N_("That was done already.")


class BelowFloor(Conflict):
    """A decision would take more than there is."""

    code = "below_floor"
    message = N_("There is not enough: %(available)s available, %(asked)s asked for.")
    retryable = True


class BookIsHere(Conflict):
    """A book moves to a server that has it already: two of one book would show two histories."""

    code = "book_is_here"
    message = N_("This server has this book already, as the group %(slug)s.")


class CheckpointNotNewest(Conflict):
    """A witness signed another checkpoint than the newest one of this group's public log."""

    code = "checkpoint_not_newest"
    message = N_("This is not the newest checkpoint of the group's public log. Look at the log again first.")


class CorrectionOfCorrection(Conflict):
    """A correction is not corrected; the entry that came with it can be."""

    code = "correction_of_correction"
    message = N_("A correction cannot be corrected. Write a new entry instead.")


class DrawNotOpen(Conflict):
    """The draw is in a state in which this step is not possible."""

    code = "draw_not_open"
    message = N_("This ask is %(state)s; that step is not possible now.")


class EntryBelongsToDraw(Conflict):
    """Entries of a draw are corrected through the draw."""

    code = "entry_belongs_to_draw"
    message = N_("This entry belongs to an ask; correct it there.")


class EntryIdReused(Conflict):
    """An entry id is in the book already, with other content."""

    code = "entry_id_reused"
    message = N_("This entry id is in the book already, with other content.")


class GroupNotEmpty(Conflict):
    """An archive comes into a group whose book has no entry yet, and this one has others."""

    code = "group_not_empty"
    message = N_("This group has entries already. An archive comes into an empty group, or makes a new one.")


class HoursNotOpen(Conflict):
    """The hours are in a state in which this step is not possible."""

    code = "hours_not_open"
    message = N_("These hours are %(state)s; that step is not possible now.")


class ImportHasFaults(Conflict):
    """Lines of an import need mending; nothing of it was written."""

    code = "import_has_faults"
    message = N_("Nothing was imported: %(count)s faults in the file need mending.")


class ImportNotUndoable(Conflict):
    """An import that was undone before, or that only a new group could take back."""

    code = "import_not_undoable"
    message = N_("This import cannot be undone: it is %(state)s.")


class InvitationNotOpen(Conflict):
    """An invitation is in a state in which this step is not possible."""

    code = "invitation_not_open"
    message = N_("This invitation is %(state)s; that step is not possible now.")


class JobNotOpen(Conflict):
    """Long work is in a state in which this step is not possible."""

    code = "job_not_open"
    message = N_("This is %(state)s; that step is not possible now.")


class JobRunning(Conflict):
    """Long work of this group is under way; there is one at a time."""

    code = "job_running"
    message = N_("Something long is being done for this group. Wait for its end, or cancel it.")
    retryable = True


class JoiningClosed(Conflict):
    """A group lets people join by invitation only."""

    code = "joining_closed"
    message = N_("People join this group by invitation. Ask somebody in it for one.")


class JoinRequestNotOpen(Conflict):
    """A request to join is in a state in which this step is not possible."""

    code = "join_request_not_open"
    message = N_("This request to join is %(state)s; that step is not possible now.")


class LastSteward(Conflict):
    """Without this person the group would have no steward who can sign in and act."""

    code = "last_steward"
    message = N_("This is the only steward. Name another one first.")


class MemberNotOpen(Conflict):
    """A member is in a state in which this step is not possible."""

    code = "member_not_open"
    message = N_("This member is %(state)s; that step is not possible now.")


class MoreThanHanded(Conflict):
    """More would come back than was handed over."""

    code = "more_than_handed"
    message = N_("Only %(handed)s was handed over; %(asked)s was to come back.")


class MailNotOffered(Conflict):
    """This server sends no mail, or the way in by mail is not open here."""

    code = "mail_not_offered"
    message = N_("This server sends no mail.")


class MoreThanPromised(Conflict):
    """A hand-over would give more than what is still promised."""

    code = "more_than_promised"
    message = N_("Only %(promised)s is still promised; %(asked)s was to be handed over.")


class NicknameTaken(Conflict):
    """Somebody in this group has this nickname, or one that looks the same."""

    code = "nickname_taken"
    message = N_("Somebody in this group has this nickname already.")


class NoTimeBank(Conflict):
    """Hours that somebody saved in an older time bank, for a group that keeps no hours between two people."""

    code = "no_time_bank"
    message = N_("This group keeps no hours between two people, so saved hours have no place in its book.")


class NotAMirror(Conflict):
    """A correction must undo exactly what the entry did; only the held place may differ."""

    code = "not_a_mirror"
    message = N_("A correction must undo exactly what the entry did.")


class NotOwnUnsaid(Conflict):
    """Nobody can look up who asked without an account, so an approver must say that it was not they."""

    code = "not_own_unsaid"
    message = N_("Whoever asked has no account. Say that this ask is not your own, then say yes.")


class Overflow(Conflict):
    """An account's turnover would pass 2^53 - 1."""

    code = "overflow"
    message = N_("This account has reached the largest sum that the book can hold.")


class PasskeyTaken(Conflict):
    """A passkey that was just made is kept here already."""

    code = "passkey_taken"
    message = N_("This device has a passkey here already.")


class PeriodNotOver(Conflict):
    """A close was asked for that reaches into a day which is not over in the group's time zone."""

    code = "period_not_over"
    message = N_("Only days that are over can be closed; %(through)s is not before %(today)s.")
    retryable = True


class PolicyRefuses(Conflict):
    """The pot's published policy does not allow this; ``rule`` names which rule."""

    code = "policy_refuses"
    message = N_("The rules of this pot do not allow that (%(rule)s).")


class PlaceNotEmpty(Conflict):
    """A place where money is kept is closed only when nothing is in it."""

    code = "place_not_empty"
    message = N_("There is still something in this place: %(amount)s.")


class PlaceTaken(Conflict):
    """Another place where money is kept has this code."""

    code = "place_taken"
    message = N_("This group has a place %(held)s already.")


class ProposalNotOpen(Conflict):
    """The proposal was signed, taken back or not signed in time."""

    code = "proposal_not_open"
    message = N_("This proposal is %(state)s; that step is not possible now.")


class ReferenceKnown(Conflict):
    """As much money came in at the same place under the same reference before; ``again`` says it is another."""

    code = "reference_known"
    message = N_(
        "As much came in there under this reference before, as %(entry)s. Say so if it is really another one."
    )


class SilenceNotOver(Conflict):
    """The days are not over yet after which silence is a yes."""

    code = "silence_not_over"
    message = N_("There is still time to answer.")
    retryable = True


class RuleNotYet(Conflict):
    """A rule that is known, and that this version of the program cannot keep yet."""

    code = "rule_not_yet"
    message = N_("This version cannot answer a short pot by %(rule)s yet; it can queue.")


class RecoveryNotOpen(Conflict):
    """A way back in is not needed, or was stopped or done already; `state` says which."""

    code = "recovery_not_open"
    message = N_("This way back in is not open: %(state)s.")


class RecoveryUnderWay(Conflict):
    """A way back in was asked for already, and others can stop it until then."""

    code = "recovery_under_way"
    message = N_("This was asked for already. Others can stop it until %(until)s.")


class RecoveryWaits(Conflict):
    """Somebody with a duty gets a new way to sign in only after others could say no."""

    code = "recovery_waits"
    message = N_("Others with a duty must be able to say no first, until %(until)s.")
    retryable = True


class SlugTaken(Conflict):
    """Another group has this address."""

    code = "slug_taken"
    message = N_("The address %(slug)s is taken.")


class StandInNotOpen(Conflict):
    """Somebody's standing in is over already."""

    code = "stand_in_not_open"
    message = N_("This stand-in is %(state)s; that step is not possible now.")


class SteppedAside(Conflict):
    """Somebody stepped aside from an ask and has no say in it any more."""

    code = "stepped_aside"
    message = N_("You stepped aside from this ask; somebody else sees to it.")


# ---------------------------------------------------------------- busy


class CodesWait(Busy):
    """Too many wrong codes in a row; the next one is looked at after a while."""

    code = "codes_wait"
    message = N_("Too many wrong codes. Wait %(seconds)s seconds, then try again.")


class GroupBusy(Busy):
    """More writes are waiting for this group than the server keeps."""

    code = "group_busy"
    message = N_("Many people are writing in this book right now. Try again in a moment.")


class ImportUnderWay(Busy):
    """A long import is being written to this book, and everybody else waits for its end."""

    code = "import_under_way"
    message = N_("A long import is being written to this book. Try again in about %(seconds)s seconds.")


class OutcomeUnknown(Busy):
    """The database went away while writing; the same key tells later what became of it."""

    code = "outcome_unknown"
    message = N_("We could not find out whether this was written. Send it again: it will not be done twice.")


class RequestsFull(Busy):
    """More people wait to be let in than stewards could look at."""

    code = "join_requests_full"
    message = N_("Many people are waiting to join already. Try again in a few days.")


class StoreAway(Busy):
    """The database cannot be reached."""

    code = "store_away"
    message = N_("The book cannot be reached right now. Nothing was written; try again in a moment.")


class TooManyTries(Busy):
    """Too many tries came from one place; nobody is locked out, the next one is taken after ``seconds``."""

    code = "too_many_tries"
    message = N_("That was tried often. Please wait %(seconds)s seconds and try again.")


# ---------------------------------------------------------------- unsafe database


class DatabaseNotDurable(Unsafe):
    """A setting of the database server lets acknowledged writes be lost."""

    code = "database_not_durable"
    message = N_(
        "The database runs with %(setting)s = off, so it could lose what it said was written. "
        "Set %(setting)s = on in its configuration and start again."
    )


class DatabaseTooNew(Unsafe):
    """A newer version of this program upgraded the database before."""

    code = "database_too_new"
    message = N_(
        "The database is at version %(version)s, but this program only knows versions up to "
        "%(version_known)s. Install the newer program again; the database cannot go back."
    )


class DatabaseTooOld(Unsafe):
    """The database server is older than what the SQL was written for."""

    code = "database_too_old"
    message = N_(
        "The database server is PostgreSQL %(version)s; it must be %(version_min)s or newer. "
        "Upgrade the server, or leave TIMEBANK_DATABASE_URL away to use the one that comes with timebank."
    )


class RoleTooStrong(Unsafe):
    """The role that serves requests could step over the walls of the database."""

    code = "role_too_strong"
    message = N_(
        "The database role %(role)s can step over the walls between groups or change the book (%(why)s). "
        "Connect as timebank_app instead; `timebank doctor --roles` prints the SQL that makes it."
    )


class RolesMissing(Unsafe):
    """The database roles are not there, or the server does not let them in."""

    code = "roles_missing"
    message = N_(
        "The role timebank_migrate cannot work in the database %(database)s. Run the SQL that "
        "`timebank doctor --roles` prints, as a superuser, and let the roles in (pg_hba.conf, passwords)."
    )


@lru_cache(maxsize=1)
def messages() -> Mapping[str, str]:
    """Return the sentence of every refusal by its code, for one that was kept as its code and parameters."""
    found, left = dict[str, str](), [Refusal]
    while left:
        kind = left.pop()
        found.setdefault(kind.code, kind.message)
        left += kind.__subclasses__()
    return MappingProxyType(found)
