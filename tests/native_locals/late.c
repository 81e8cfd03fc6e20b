/* Loaded while goroutines live: thread-locals of the model that only the loader can place. */
#define EARLY __attribute__((tls_model("initial-exec")))
static EARLY __thread volatile int initialized = 4321, zero;
int late_initialized(void) { return initialized; }
int late_zero(void) { return zero++; }
