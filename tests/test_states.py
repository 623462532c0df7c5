"""The transition table: total, connected, and strict about what counts as recovered."""

from __future__ import annotations

import pytest

from authforensics.states import CODES, EVENTS, MEANING, STATES, AuthEvent, AuthState, mermaid, step, transitions

ILL = {AuthState.REJECTED, AuthState.REFRESH_DENIED, AuthState.ZOMBIE}


def test_every_state_answers_every_event():
    cells = list(transitions())
    assert len(cells) == len(STATES) * len(EVENTS)
    assert {(state, event) for state, event, _ in cells} == {(s, e) for s in STATES for e in EVENTS}
    assert {after for *_, after in cells} <= set(STATES)


def test_every_state_is_reachable_from_unknown():
    reached, frontier = {AuthState.UNKNOWN}, {AuthState.UNKNOWN}
    while frontier:
        frontier = {step(state, event) for state in frontier for event in EVENTS} - reached
        reached |= frontier
    assert reached == set(STATES)


def test_only_an_accepted_call_proves_authentication():
    changes = [cell for cell in transitions() if cell[0] is not cell[2]]
    proofs = {event for _, event, after in changes if after is AuthState.AUTHENTICATED}
    assert proofs == {AuthEvent.API_OK}


@pytest.mark.parametrize("state", sorted(ILL))
def test_a_refresh_alone_recovers_nobody(state):
    after = AuthState.REJECTED if state is AuthState.REJECTED else AuthState.REFRESHED
    assert step(state, AuthEvent.REFRESH_OK) is after
    assert step(step(state, AuthEvent.REFRESH_OK), AuthEvent.API_DENIED) is AuthState.REJECTED
    assert step(state, AuthEvent.API_OK) is AuthState.AUTHENTICATED


@pytest.mark.parametrize("source", [AuthEvent.REFRESH_OK, AuthEvent.LOGIN_OK])
@pytest.mark.parametrize("state", STATES)
def test_a_new_token_that_is_refused_is_rejected_whatever_came_before(state, source):
    assert step(step(state, source), AuthEvent.API_DENIED) is AuthState.REJECTED


@pytest.mark.parametrize("event", [AuthEvent.IGNORED, AuthEvent.FORBIDDEN, AuthEvent.LOGIN_DENIED])
@pytest.mark.parametrize("state", STATES)
def test_what_says_nothing_about_the_token_changes_nothing(state, event):
    assert step(state, event) is state


def test_going_on_after_a_denied_refresh_is_a_zombie_until_a_new_token():
    denied = step(AuthState.CHALLENGED, AuthEvent.REFRESH_DENIED)
    assert denied is AuthState.REFRESH_DENIED
    zombie = step(denied, AuthEvent.API_DENIED)
    assert zombie is AuthState.ZOMBIE
    assert {event for event in EVENTS if step(zombie, event) is not zombie} == {
        AuthEvent.LOGIN_OK,
        AuthEvent.REFRESH_OK,
        AuthEvent.API_OK,
        AuthEvent.LOGOUT,
    }


def test_codes_say_the_same_as_step():
    for row, state in enumerate(STATES):
        for column, event in enumerate(EVENTS):
            assert STATES[CODES[row * len(EVENTS) + column]] is step(state, event)


def test_every_state_has_a_meaning_for_people():
    assert set(MEANING) == set(STATES)
    assert all(MEANING.values())


def test_the_diagram_shows_every_state_and_every_change():
    drawn = mermaid()
    assert all(state.value in drawn for state in STATES)
    changes = {(state, after) for state, _, after in transitions() if state is not after}
    assert sum("-->" in line for line in drawn.splitlines()) == len(changes) + 1
