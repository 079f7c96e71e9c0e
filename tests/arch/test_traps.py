"""What the real agent CLIs were found to do that one would not expect, and the tests that hold our engines to it.

Left stands what was found, in our own words, right where it is shown: `FILE::TEST`, below `tests/`. A test that is
renamed or removed is missed here. What concerns nothing that we start (their screens, their servers) is not listed.
"""

from __future__ import annotations

import ast
import functools
from typing import Final

import pytest

from tests.arch.source import ROOT

UNIT: Final = "unit/engines/"
REAL: Final = "e2e/test_real_"
CLAUDE: Final = f"{UNIT}test_claude.py::test_"
CLAUDE_TOLD: Final = f"{UNIT}test_claude_transcripts.py::test_"
CLAUDE_STREAM: Final = f"{UNIT}test_claude_stream.py::test_"
CODEX: Final = f"{UNIT}test_codex.py::test_"
CODEX_TOLD: Final = f"{UNIT}test_codex_transcripts.py::test_"
CODEX_PLAYED: Final = f"{UNIT}test_codex_played.py::test_"
ACP: Final = f"{UNIT}test_acp.py::test_"
ACP_ENDS: Final = f"{UNIT}test_acp_ends.py::test_"
ACP_TOLD: Final = f"{UNIT}test_acp_transcripts.py::test_"
STARTS: Final = f"{UNIT}test_acp_starts.py::test_"
PROVIDER: Final = f"{UNIT}test_provider.py::test_"
STALLS: Final = "e2e/test_run_stalls.py::test_"
KEEPER: Final = "e2e/test_keeper_"
TABLE: Final = "e2e/test_engines_table.py::test_claim"

TRAPS: Final[dict[str, tuple[str, ...]]] = {
    # -- installed and started
    "a CLI whose install script did not run is a stub": (
        "unit/fakes/test_clis.py::test_half_installed_is_not_installed",
    ),
    "variables of this machine hide what is missing": (
        "unit/fakes/test_clis.py::test_environments_are_made_from_nothing",
        "unit/app/test_installed.py::test_it_gets_little_of_our_environment_and_nothing_to_read",
    ),
    "with stdin open, codex exec and opencode wait for ever": (
        f"{CODEX}exec_takes_all_by_its_arguments_but_the_prompt",
        f"{REAL}codex_exec.py::test_a_turn_and_another_in_its_session",
        f"{KEEPER}input.py::test_data_at_the_start",
    ),
    "as root claude refuses to skip permissions, unless it is said to be in a sandbox": (
        f"{CLAUDE}full_leave",
        f"{REAL}claude.py::test_with_full_leave_it_asks_for_nothing",
    ),
    "claude prints its stream only when it is also verbose": (f"{CLAUDE}the_whole_command",),
    "they update themselves while they work": (
        f"{CLAUDE}the_whole_command",
        f"{STARTS}gemini",
        f"{STARTS}opencode",
        f"{STARTS}copilot",
        f"{STARTS}claude_agent_acp",
    ),
    "gemini starts itself anew, and its first process hears no signal": (
        f"{STARTS}gemini",
        f"{REAL}cancel.py::test_nothing_is_left_of_one_that_is_cancelled",
    ),
    "gemini starts no server where it does not trust the directory": (
        f"{STARTS}gemini",
        f"{REAL}acp.py::test_a_session_that_is_not_there_begins_anew_with_the_servers_of_the_team",
    ),
    "codex takes its model once, and no unknown word": (
        f"{CODEX}exec_takes_all_by_its_arguments_but_the_prompt",
        f"{CODEX}instructions_model_and_prompt_have_their_places",
    ),
    "codex has no mcp-server any more, and its app server changes": (
        f"{CODEX}what_we_send_is_what_codex_takes",
        f"{CODEX}every_request_of_codex_is_known_here",
        f"{REAL}codex.py::test_its_protocol_is_as_it_was_pinned",
    ),
    "versions differ": ("e2e/test_engines_table.py::test_version", "unit/app/test_preflight.py::test_what_is_missing"),
    "arguments are for everybody to see, and too short for a prompt": (
        f"{CLAUDE}any_prompt_is_one_line_and_no_command",
        f"{CODEX}instructions_model_and_prompt_have_their_places",
        f"{STARTS}claude_agent_acp",
        f"{REAL}claude.py::test_long_instructions_and_prompts",
    ),
    # -- the stream
    "claude opens its session again at every turn": (f"{CLAUDE_STREAM}its_session_is_opened_once",),
    "the word success stands over claude's failures": (
        f"{UNIT}test_claude_raw.py::test_failures",
        f"{CLAUDE_TOLD}failures_have_their_class",
    ),
    "an item of codex that is called error is a remark": (f"{CODEX_TOLD}exec",),
    "an error that codex tries again is not the end": (
        f"{CODEX_TOLD}what_it_tries_again_is_told",
        f"{CODEX_PLAYED}failures_and_what_was_tried_again",
    ),
    "what sub-agents say is in the same stream": (
        f"{CLAUDE_TOLD}a_sub_agents_words_are_not_the_agents_own",
        f"{CODEX_PLAYED}other_threads_are_not_the_agents",
    ),
    "a line is as long as it likes, and a stream may be cut anywhere": (
        f"{UNIT}test_custom_output.py::test_a_line_that_is_too_long_is_passed_over",
        f"{CLAUDE_TOLD}cut_at_every_offset_it_is_no_success",
        f"{CODEX_TOLD}cut_at_every_offset_it_is_no_success",
        f"{ACP_TOLD}cut_at_every_offset_it_is_no_success",
        f"{CODEX_TOLD}exec",
    ),
    "claude counts money by the process and tokens by the turn": (
        f"{CLAUDE_TOLD}an_edit",
        f"{CLAUDE_TOLD}told_too_late_it_has_another_turn",
        f"{CLAUDE_STREAM}until_its_turn_ends_what_it_has_read_is_counted",
        f"{CLAUDE_STREAM}cached_tokens_count_once",
    ),
    "codex counts over the whole thread, processes before included": (
        f"{CODEX_TOLD}a_session_that_goes_on_counts_from_where_it_was",
        f"{CODEX_PLAYED}what_its_thread_used_before_is_not_counted",
        f"{REAL}codex.py::test_a_session_goes_on_and_counts_from_there",
    ),
    "of ACP agents one counts by the prompt, another by the process, a third tells its last step": (
        f"{ACP_TOLD}what_it_may_is_allowed_and_what_it_may_not_is_asked",
        f"{ACP_TOLD}what_is_played_back_of_an_older_session_is_not_said_again",
        f"{ACP_ENDS}what_is_used_is_a_total_and_unknown_where_it_is_not_told",
    ),
    "what setup prints is in the same file": ("e2e/test_run_phases.py::test_what_came_before_is_not_the_agents",),
    # -- sessions
    "a session is known only in its directory, with its settings, and may be gone": (
        f"{CLAUDE_TOLD}a_session_that_is_gone_is_not_gone_on_with",
        f"{CODEX_TOLD}a_session_that_is_gone_is_begun_anew",
        f"{CODEX_TOLD}exec_tells_that_a_session_is_gone",
        f"{REAL}acp.py::test_a_session_that_is_not_there_begins_anew_with_the_servers_of_the_team",
        "e2e/test_must_not_happen.py::test_a_session_that_cannot_go_on_is_not_started_without_a_word",
    ),
    "instructions, servers and permissions do not come back with a session": (
        f"{REAL}claude.py::test_a_session_goes_on_with_its_instructions",
        f"{REAL}codex.py::test_permissions_hold_when_a_session_goes_on",
        f"{REAL}codex_exec.py::test_permissions_hold_also_in_a_session_that_goes_on",
        f"{CLAUDE}each_grant_in_its_own_words",
    ),
    "a session that is loaded is played back first": (
        f"{ACP_TOLD}what_is_played_back_of_an_older_session_is_not_said_again",
        f"{ACP}gemini_is_asked_for_something_more_before_its_playback_is_over",
    ),
    "some hear a message in the turn that runs": (
        f"{CLAUDE_TOLD}steered_it_is_one_turn",
        f"{REAL}codex.py::test_it_is_steered",
        f"{ACP_TOLD}what_it_is_told_while_it_works_is_a_prompt_of_the_same_turn",
        TABLE,
    ),
    "told while a call of its model is under way, codex may hang up on it, and ask again": (
        f"{REAL}codex.py::test_told_as_its_turn_begins_it_may_drop_a_call_of_its_model",
        f"{REAL}codex.py::test_told_while_a_call_of_its_model_is_under_way_it_asks_once_more",
    ),
    "others drop that turn for it": (
        f"{ACP_TOLD}one_that_would_begin_anew_is_told_nothing_while_it_works",
        f"{UNIT}test_acp_fake.py::test_it_is_told_nothing_while_it_works",
        TABLE,
    ),
    "one that comes too late gets a turn of its own": (
        f"{CLAUDE_TOLD}told_too_late_it_has_another_turn",
        f"{CODEX_PLAYED}a_message_that_is_refused_gets_another_turn",
        f"{REAL}codex.py::test_what_comes_when_the_turn_ends_gets_another",
    ),
    "an interrupted turn ends without failing, and its CLI lives": (
        f"{CLAUDE_TOLD}interrupted",
        f"{CODEX_TOLD}an_interrupt",
        f"{ACP_TOLD}a_broken_off_turn",
        f"{ACP_TOLD}breaking_off_answers_what_is_asked",
    ),
    "codex lets a command run on that it was interrupted in": (
        f"{REAL}codex.py::test_an_interrupt_ends_the_turn_and_its_end_the_command",
    ),
    # -- what it has and may
    "a server that does not start ends nothing, and tools are missing": (
        f"{REAL}servers.py::test_one_that_does_not_start_is_named",
        f"{REAL}servers.py::test_with_codex_so_is_one_that_never_came",
        "e2e/test_run_claude.py::test_a_server_that_is_not_there_is_told_of",
    ),
    "every CLI spells servers and their tools in its own way": (
        "unit/servers/test_engines.py::test_claude",
        "unit/engines/test_acp.py::test_servers_of_the_team_are_given_to_it",
        "unit/servers/test_engines.py::test_codex_hides_values",
        "unit/servers/test_engines.py::test_names_that_codex_does_not_take",
        f"{REAL}claude.py::test_servers",
        f"{REAL}codex.py::test_an_mcp_server_over_http",
        f"{REAL}acp.py::test_a_session_that_is_not_there_begins_anew_with_the_servers_of_the_team",
    ),
    "a model that never keeps to its schema succeeds without outputs": (
        f"{CLAUDE_STREAM}outputs_that_never_came_are_asked_for_again",
    ),
    "codex takes strict schemas only": (
        f"{CODEX}schemas_that_can_be_strict",
        f"{CODEX}schemas_that_cannot_are_asked_for_by_text",
    ),
    "what is denied is told to the model, and the exit code is 0": (
        f"{CLAUDE_TOLD}denied_it_is_told_why",
        f"{REAL}codex_permissions.py::test_the_agent_hears_why_it_was_declined",
        f"{ACP_TOLD}one_that_gives_up_where_it_is_refused_is_told_to_go_on",
    ),
    "options of a question have other ids with each agent": (
        f"{ACP_TOLD}questions_are_answered_by_the_kind_of_the_option",
        f"{UNIT}test_acp_leave.py::test_options_are_chosen_by_kind",
    ),
    "settings of the user and the project widen what it may": (
        f"{REAL}claude.py::test_what_the_users_settings_allow_is_asked_for_all_the_same",
        f"{REAL}codex_permissions.py::test_settings_of_the_user_open_nothing",
        f"{REAL}acp.py::test_what_the_project_allows_is_asked_for_all_the_same",
    ),
    "limits of turns and money end it as a failure of their own": (
        f"{CLAUDE_STREAM}failures",
        f"{UNIT}test_claude_raw.py::test_failures",
    ),
    # -- failures
    "each names a refused key in another way": (
        f"{PROVIDER}each_has_its_class",
        f"{ACP_TOLD}a_refused_key_is_a_failed_login",
        f"{REAL}acp.py::test_a_refused_key_is_a_failed_login",
    ),
    "copilot ends its turn as if all were well": (
        f"{ACP_ENDS}copilot_ends_its_turn_as_if_all_were_well",
        f"{ACP_ENDS}copilot_fails_in_the_middle_as_if_all_were_well",
        f"{ACP_ENDS}nothing_said_and_nothing_done_is_no_success",
    ),
    "a limit that is used up looks like too many calls": (
        f"{CLAUDE_STREAM}refused_at_once_is_exhausted_and_after_retries_limited",
        f"{PROVIDER}a_usage_limit_is_known_by_its_words_whatever_the_status",
        f"{PROVIDER}no_words_for_it_are_without_an_example",
    ),
    "when it ends is told in words, or in none": (
        f"{CODEX_TOLD}it_tells_when_a_usage_limit_ends",
        f"{CLAUDE_STREAM}a_limit_of_a_subscription_tells_when_it_ends",
        f"{UNIT}test_failures.py::test_the_usual_ways_of_saying_when",
    ),
    "what may pass by itself, and what never will": (
        f"{PROVIDER}each_has_its_class",
        f"{CODEX_TOLD}failures",
        f"{UNIT}test_claude_raw.py::test_failures",
        f"{ACP_ENDS}errors_of_the_protocol",
    ),
    "exit code 0 of what was killed, cut off, denied": (
        f"{CLAUDE_TOLD}cut_it_is_no_success",
        f"{ACP_ENDS}the_end_of_the_process_without_an_answer_is_a_crash",
        f"{ACP_ENDS}nothing_said_and_nothing_done_is_no_success",
        f"{CLAUDE_STREAM}one_whose_model_was_never_asked_has_failed",
        f"{CODEX_TOLD}a_signal_leaves_no_end",
    ),
    "with its server down codex waits for ever, and says that it tries": (
        f"{REAL}codex.py::test_while_its_server_is_down_it_tells_that_it_tries",
        "unit/run/test_stalls.py::test_output_that_means_nothing_is_a_sign_of_life_and_trying_again_is_none",
    ),
    "others wait for ever and say nothing": (f"{STALLS}one_that_falls_silent", f"{STALLS}but_not_for_ever"),
    "a tool may take longer than a model": (f"{STALLS}a_tool_that_runs_is_given_longer",),
    "one that asks something at its first run opens no session": (
        f"{STALLS}one_that_never_opens_its_session_is_tried_again",
    ),
    "the same call of a model or a tool, for ever": (f"{STALLS}the_same_for_ever",),
    "opencode shortens a prompt that is too long for ever, and talks meanwhile": (
        f"{ACP_ENDS}one_that_asks_its_model_for_ever_is_given_up",
    ),
    # -- the end
    "tools run in sessions of their own, where no signal to the group reaches them": (
        f"{REAL}cancel.py::test_nothing_is_left_of_one_that_is_cancelled",
        f"{KEEPER}stop.py::test_every_tree_is_killed_and_the_bystander_lives",
    ),
    "a wrapper dies, and its child holds the pipe": (
        f"{KEEPER}life.py::test_a_daemon_that_keeps_the_output_open_delays_nothing_and_is_ended",
        "unit/app/test_installed.py::test_a_child_that_holds_the_pipe_is_not_waited_for",
    ),
    "who inherits that SIGINT is ignored, ignores it": (
        f"{KEEPER}life.py::test_a_child_has_three_files_and_a_clean_slate",
    ),
    "told to end, it may end its work first": (
        f"{CLAUDE_TOLD}ended_when_it_was_done_its_result_counts",
        f"{CODEX_PLAYED}what_the_runner_ends_after_its_work_is_judged_by_the_turn",
    ),
    "they end when their stdin does": (
        f"{ACP_TOLD}every_request_is_answered_once_and_every_call_ends",
        f"{CLAUDE_TOLD}all_that_was_opened_is_closed",
    ),
    # -- taken over from other systems
    "the last object in a model's text is its answer, not all of it": (f"{UNIT}test_results.py::test_found",),
    "a persona that is not there is no persona": ("unit/team/test_agent_files.py::test_an_unknown_one_suggests_files",),
    "servers lie beside a persona": ("unit/team/test_agent_files.py::test_servers_beside_a_persona_file",),
    "headers of a server get lost on the way to another format": (
        "unit/servers/test_formats.py::test_nothing_is_lost_of_what_all_can_say",
        "unit/servers/test_properties.py::test_what_comes_back_differs_where_a_loss_says_so",
    ),
    "git asks for a key when it commits": (
        "unit/workspaces/test_git_hostile.py::test_nothing_that_is_planted_runs_in_the_whole_life_of_a_workspace",
    ),
    "a prompt that was prefixed grows with every retry": (
        "e2e/test_must_not_happen.py::test_ten_retries_do_not_grow_the_prompt",
        "e2e/test_must_not_happen.py::test_ten_relaunches_do_not_grow_the_prompt",
    ),
}


@functools.cache
def defined(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("trap", TRAPS)
def test_it_has_its_tests(trap: str) -> None:
    assert TRAPS[trap]
    for node in TRAPS[trap]:
        path, _, name = node.partition("::")
        assert (ROOT / "tests" / path).is_file(), f"{trap}: there is no {path}"
        assert name in defined(path), f"{trap}: {path} has no {name}"
