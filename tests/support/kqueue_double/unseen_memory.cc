// SPDX-License-Identifier: BSL-1.0
#include "unseen_memory.h"

namespace kqueue_double {

void* Unseen::operator new(std::size_t size) { return UnseenAllocator<std::byte>().allocate(size); }
void Unseen::operator delete(void* memory) noexcept { std::free(memory); }

}  // namespace kqueue_double
