// SPDX-License-Identifier: BSL-1.0
// The source of the user's own libraries: only their targets' names matter.
int users_own() { return 0; }
