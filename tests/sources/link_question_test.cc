// SPDX-License-Identifier: BSL-1.0
// When all links are asked for, and which answers count.
#include "links/link_question.h"

#include "support/standard.h"

namespace detent {
namespace {

LinkReading end_of_answer() {
  LinkReading reading;
  reading.ends_answer = true;
  return reading;
}

LinkReading loss() {
  LinkReading reading;
  reading.is_lossy = true;
  return reading;
}

class LinkQuestionTest : public testing::Test {
 protected:
  bool is_answered() { return question_.take_reading(end_of_answer()); }

  LinkQuestion question_;
};

TEST_F(LinkQuestionTest, K11_TheFirstQuestionIsDueFromTheStart) {
  EXPECT_FALSE(question_.is_settled());
  EXPECT_TRUE(question_.note_question_sent());
  EXPECT_FALSE(question_.is_settled());
  EXPECT_FALSE(question_.take_reading({}));
  EXPECT_TRUE(is_answered());
  EXPECT_TRUE(question_.is_settled());
}

TEST_F(LinkQuestionTest, K11_ALossMakesAQuestionDue) {
  EXPECT_TRUE(question_.note_question_sent() && is_answered());
  EXPECT_FALSE(question_.take_reading(loss()));
  EXPECT_FALSE(question_.is_settled());
  EXPECT_TRUE(question_.note_question_sent() && is_answered());
}

TEST_F(LinkQuestionTest, K11_AnAnswerDuringWhichSomethingIsLostDoesNotCount) {
  EXPECT_TRUE(question_.note_question_sent());
  EXPECT_FALSE(question_.take_reading(loss()));
  EXPECT_FALSE(is_answered());
  EXPECT_FALSE(question_.is_settled());
}

TEST_F(LinkQuestionTest, K11_AnAnswerThatIsNotOfOneMomentDoesNotCount) {
  EXPECT_TRUE(question_.note_question_sent());
  LinkReading reading = end_of_answer();
  reading.is_incomplete = true;
  EXPECT_FALSE(question_.take_reading(reading));
  EXPECT_FALSE(question_.is_settled());
}

TEST_F(LinkQuestionTest, K11_AnAnswerThatTheKernelBrokeOffIsAskedForTwice) {
  EXPECT_TRUE(question_.note_question_sent());
  EXPECT_FALSE(question_.note_question_sent()) << "the table knows what it had of the first";
  EXPECT_FALSE(is_answered());
  EXPECT_FALSE(question_.is_settled());
  EXPECT_TRUE(question_.note_question_sent() && is_answered());
}

TEST_F(LinkQuestionTest, K11_AnEndWithoutAQuestionIsNone) {
  EXPECT_TRUE(question_.note_question_sent() && is_answered());
  EXPECT_FALSE(is_answered());
  EXPECT_TRUE(question_.is_settled());
}

}  // namespace
}  // namespace detent
