/* Completion of the whole program: the first word here, the rest by the program it names.
 * SPDX-License-Identifier: MIT */
#include "main/program.h"

#include <stdio.h>
#include <string.h>

/* A program's own function comes from its table of options, and is asked for once a shell. */
static const char function[] =
    "_buildernet() {\n"
    "    local program=\"${COMP_WORDS[1]}\" make\n"
    "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "        COMPREPLY=($(compgen -W \"$_buildernet_programs\" -- \"$program\"))\n"
    "        return\n"
    "    fi\n"
    "    make=\"_buildernet_${program//-/_}\"\n"
    "    if ! declare -F \"$make\" >/dev/null 2>&1 && ! typeset -f \"$make\" >/dev/null 2>&1; "
    "then\n"
    "        case \" $_buildernet_programs \" in\n"
    "        *\" $program \"*) eval \"$(\"${COMP_WORDS[0]}\" \"$program\" --completion bash "
    "2>/dev/null </dev/null)\" ;;\n"
    "        esac\n"
    "    fi\n"
    "    if typeset -f \"$make\" >/dev/null 2>&1; then \"$make\"; else COMPREPLY=(); fi\n"
    "}\n"
    "complete -o bashdefault -o default -F _buildernet buildernet\n";

int completion_print(const char *shell) {
    bool zsh = strcmp(shell, "zsh") == 0;
    if (!zsh && strcmp(shell, "bash") != 0) {
        (void)fprintf(stderr, "buildernet: --completion is one of bash, zsh; for fish each program "
                              "has its own: buildernet PROGRAM --completion fish\n");
        return 64;
    }
    if (zsh) (void)puts("#compdef buildernet\nautoload -U +X bashcompinit && bashcompinit");
    (void)fputs("_buildernet_programs='", stdout);
    for (const struct program *p = programs; p->table; p++)
        (void)printf("%s%s", p == programs ? "" : " ", p->table->name);
    (void)fputs("'\n", stdout);
    return fputs(function, stdout) < 0;
}
