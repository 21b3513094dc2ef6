#include <jansson.h>

/* The accessors below are macros or inline functions that take part in jansson's reference counting; Swift cannot
   call the macros, and a plain function for each keeps the reading side in one style. */
static inline json_type culver_json_type(const json_t *json) { return json_typeof(json); }
static inline void culver_json_release(json_t *json) { json_decref(json); }
