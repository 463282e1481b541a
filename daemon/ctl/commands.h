/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands, one a file. Each takes the arguments behind its name and
 * returns the exit status. */
#ifndef CH_CTL_COMMANDS_H
#define CH_CTL_COMMANDS_H

int ctl_status(char **argv);
int ctl_targets(char **argv);
int ctl_show(char **argv);
int ctl_watch(char **argv);
int ctl_sockets(char **argv);
int ctl_reload(char **argv);
int ctl_probe(char **argv);
int ctl_explain(char **argv);
int ctl_check_config(char **argv);

#endif
