// SPDX-License-Identifier: BSL-1.0
// TM11: a zone's name means a file of the data, and nothing else that a path can mean.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "detent/time_zone.h"
#include "detent/unique_fd.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;
namespace fs = std::filesystem;

const fs::path kSystemsData = "/usr/share/zoneinfo";

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A variable of the environment, as it was before at the end.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    if (before_.empty()) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, before_.c_str(), 1);
    }
  }

 private:
  const char* name_;
  std::string before_;
};

// The data has a folder of the test's own. What was read of a name once stays, so that each test
// has names of its own.
class ZoneFiles : public testing::Test {
 protected:
  ZoneFiles() { fs::create_directory(data_); }

  fs::path put(const std::string& name, const std::string& bytes) const {
    std::ofstream(data_ / name, std::ios::binary) << bytes;
    return data_ / name;
  }
  static std::string tokyo() { return contents(kSystemsData / "Asia/Tokyo"); }

  const TemporaryFolder folder_;
  const fs::path data_ = folder_ / "data";
  Variable chosen_{"TZDIR", data_.string()};
};

void expect_refused(const std::string& name) {
  try {
    const TimeZone zone(name);
    ADD_FAILURE() << name << " was taken";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string_view(error.what()).find("'" + name + "'"), std::string_view::npos)
        << error.what();
  }
}

TEST_F(ZoneFiles, TM11_TheFolderCanBeChosen) {
  put("Chosen", tokyo());
  EXPECT_EQ(TimeZone("Chosen").offset_at({}), 9h);
  EXPECT_EQ(TimeZone("Chosen").name(), "Chosen");
}

TEST_F(ZoneFiles, TM11_TheFolderCanBeNamedFromWhereTheProgramIs) {
  put("Near", tokyo());
  const Variable chosen("TZDIR", fs::relative(data_).string());
  EXPECT_EQ(TimeZone("Near").offset_at({}), 9h);
}

TEST_F(ZoneFiles, TM11_UtcAndFixedOffsetsNeedNoDataAndWhatIsNoOffsetIsRefused) {
  EXPECT_EQ(TimeZone("UTC").offset_at({}), 0s);
  EXPECT_EQ(TimeZone("+05:30").offset_at({}), 5h + 30min);
  EXPECT_EQ(TimeZone("+05:30").name(), "+05:30");
  EXPECT_EQ(TimeZone("-03:00").offset_at({}), -3h);
  for (const char* none : {"+5:30", "+24:00", "+05:60", "+0a:00"}) expect_refused(none);
}

TEST_F(ZoneFiles, TM11_AZoneIsReadOnceInTheLifeOfAProcess) {
  put("Once", tokyo());
  const TimeZone before("Once");
  fs::remove_all(data_);
  EXPECT_EQ(TimeZone("Once").offset_at({}), 9h);
}

TEST_F(ZoneFiles, TM11_AZoneThatWasMissingIsFoundWhenItIsThere) {
  static int run = 0;  // a repetition of the test needs a name that was not read yet
  const std::string name = "Late" + std::to_string(++run);
  expect_refused(name);
  put(name, tokyo());
  EXPECT_EQ(TimeZone(name).offset_at({}), 9h);
}

TEST_F(ZoneFiles, TM11_ALinkInTheDataIsFollowed) {
  std::ofstream(folder_ / "elsewhere", std::ios::binary) << tokyo();
  fs::create_symlink("../elsewhere", data_ / "Linked");
  EXPECT_EQ(TimeZone("Linked").offset_at({}), 9h);
}

TEST_F(ZoneFiles, TM11_ANameDoesNotLeadOutOfTheData) {
  std::ofstream(folder_ / "outside", std::ios::binary) << tokyo();
  fs::create_directory(data_ / "Part");
  const std::string outside = folder_ / "outside";
  for (const std::string& name :
       {outside, "file:" + outside, "file:file:" + outside, std::string("../outside"),
        std::string("Part/../../outside"), std::string("file:../outside"), "/" + outside}) {
    expect_refused(name);
  }
}

TEST_F(ZoneFiles, TM11_APrefixHasNoMeaning) {
  for (const char* name : {"libc:", "libc:localtime", "libc:UTC", "libc:nonsense", "file:", ":UTC",
                           "Fixed/UTC+05:30:00", "UTC0", "http://UTC"}) {
    expect_refused(name);
  }
}

TEST_F(ZoneFiles, TM11_LocaltimeIsNotWhatTheEnvironmentSays) {
  std::ofstream(folder_ / "outside", std::ios::binary) << tokyo();
  const Variable local("TZ", ":" + folder_ / "outside");
  expect_refused("localtime");
}

TEST_F(ZoneFiles, TM11_ANameHasTheFormOfThoseInTheData) {
  put(".hidden", tokyo());
  put("with space", tokyo());
  put("tzdata.zi", tokyo());
  put("Plain", tokyo());
  fs::create_directory(data_ / "Folder");
  put("Folder/Plain", tokyo());
  for (const char* name : {"", ".", "..", "/", ".hidden", "with space", "tzdata.zi", "Plain/",
                           "/Plain", "Folder//Plain", "./Plain", "Folder/./Plain", "Plain\\", "$TZ",
                           "~", "Plain*", "\xc3\x89ire"}) {
    expect_refused(name);
  }
  EXPECT_THROW(TimeZone(std::string_view("Plain\0", 6)), std::invalid_argument);
}

TEST_F(ZoneFiles, TM11_AnErrorShowsANameOnOneLineAndNotForEver) {
  for (const std::string& name : {std::string(1 << 20, 'A'), std::string(1 << 20, '/'),
                                  std::string("UTC\n2026 forged\0", 16)}) {
    try {
      const TimeZone zone(name);
      ADD_FAILURE();
    } catch (const std::invalid_argument& error) {
      const std::string_view shown(error.what());
      EXPECT_LT(shown.size(), 300U);
      EXPECT_EQ(shown.find('\n'), std::string_view::npos);
    }
  }
}

// ---- what is not a file, or not of a zone

TEST_F(ZoneFiles, TM11_WhatIsNotARegularFileIsRefusedAtOnce) {
  ASSERT_EQ(0, ::mkfifo((data_ / "Fifo").c_str(), 0600));
  const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  (data_ / "Socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(0, ::bind(listening.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  fs::create_directory(data_ / "Folder");
  fs::create_symlink("/dev/zero", data_ / "Endless");
  fs::create_symlink("/dev/tty", data_ / "Terminal");
  fs::create_symlink("Fifo", data_ / "LinkedFifo");
  fs::create_symlink("Circle", data_ / "Circle");
  fs::create_symlink("gone", data_ / "Dangling");
  for (const char* name : {"Fifo", "Socket", "Folder", "Endless", "Terminal", "LinkedFifo",
                           "Circle", "Dangling", "Fifo/UTC"}) {
    expect_refused(name);
  }
}

TEST_F(ZoneFiles, TM11_AFileThatIsTooLargeIsNotRead) {
  put("Large", tokyo());
  fs::resize_file(data_ / "Large", std::uintmax_t{1} << 40);
  expect_refused("Large");
  put("Padded", tokyo());
  fs::resize_file(data_ / "Padded", 256 * 1024);
  EXPECT_EQ(TimeZone("Padded").offset_at({}), 9h);
}

TEST_F(ZoneFiles, TM11_AFileThatIsNotOfAZoneIsRefused) {
  const std::string zone = tokyo();
  put("Empty", "");
  put("Text", "TZ=Asia/Tokyo\n" + std::string(100, ' '));
  put("OnlyMagic", "TZif");
  put("HalfAHeader", zone.substr(0, 30));
  put("OnlyAHeader", zone.substr(0, 44));
  put("OnlyTheFirstPart", zone.substr(0, zone.find("TZif", 4)));
  put("NoSecondHeader", zone.substr(0, zone.find("TZif", 4) + 43));
  for (const char* name : {"Empty", "Text", "OnlyMagic", "HalfAHeader", "OnlyAHeader",
                           "OnlyTheFirstPart", "NoSecondHeader"}) {
    expect_refused(name);
  }
}

TEST_F(ZoneFiles, TM11_AHeaderThatPromisesMoreThanThereIsIsRefused) {
  std::string zone = tokyo();
  const std::size_t second = zone.find("TZif", 4);
  for (const std::size_t header : {std::size_t{0}, second}) {
    for (std::size_t count = 0; count < 6; ++count) {
      std::string lying = zone;
      lying[header + 20 + 4 * count] = '\x7f';
      const std::string name = "Lying" + std::to_string(header) + "_" + std::to_string(count);
      put(name, lying);
      expect_refused(name);
    }
  }
}

TEST_F(ZoneFiles, TM11_LeapSecondsAreRefused) {
  const fs::path right = kSystemsData / "right/Asia/Tokyo";
  if (!fs::exists(right)) GTEST_SKIP() << "no data with leap seconds here";
  put("Right", contents(right));
  expect_refused("Right");
}

TEST_F(ZoneFiles, TM11_M6_AProgramWithAnothersRightsTakesTheSystemsData) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  put("Callers", tokyo());
  EXPECT_TRUE(holds_in_a_forked_child([] {
    ASSERT_EQ(0, ::setreuid(65534, 0));
    expect_refused("Callers");
    EXPECT_EQ(TimeZone("Asia/Kolkata").offset_at({}), 5h + 30min);
  }));
}

}  // namespace
}  // namespace detent
