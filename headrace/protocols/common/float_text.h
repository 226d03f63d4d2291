// The text of floating-point numbers in JSON.
#pragma once

namespace headrace {

// Room for any number's text.
inline constexpr int kFloatChars = 32;

// Writes at most kFloatChars characters at `to` and returns their end: the shortest decimal that reads back to the same
// bits, with a '.' or, below 1e-4 and from 1e16 on, an exponent of at least two digits ("1.5e-05", "1e+16"); NaN,
// Infinity and -Infinity as bare words. The digits are Dragonbox's (Junekey Jeon, 2020), which fmt has.
char* WriteFloat(char* to, float value);
char* WriteFloat(char* to, double value);

}  // namespace headrace
