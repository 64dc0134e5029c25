# SPDX-License-Identifier: BSL-1.0
# For -DCMAKE_PROJECT_detent_INCLUDE: what is built for kqueue(2) finds the double's <sys/event.h>, and
# is linked to its kevent(). The library's own CMakeLists.txt does not know it.
link_libraries(
  $<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,detent_kqueue_double>>:detent_kqueue_double>)
