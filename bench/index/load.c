// Load for servers whose requests and answers are lines: the same client for every server that is compared.
//
//   load requests port=P connections=N depth=D seconds=S file=F     closed loop: D requests outstanding on each
//   load requests port=P connections=N rate=R seconds=S file=F      open loop: latency from the intended time
//   load bulk     port=P file=F                             sends F, waits for as many answers as lines, then for input
//   load leave    port=P file=F query=LINE mark=TEXT        the same, then leaves and looks which answers still have TEXT
//
// hello=LINE is said first on each connection, and its one answer is swallowed; lines=N: so many lines are one answer;
// warm=S: not counted. Requests are drawn from F by chance, always in the same order. A signal ends a load early.
// Prints one line of JSON. Times are microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct { const char *text; size_t length; } Line;
typedef struct { uint32_t tenths; uint32_t second; } Sample;
enum { most_outstanding = 1 << 17 };
typedef struct {
  int fd, wants_room, lines_seen, at_line_start;
  // Times of what was asked and is not answered: a ring.
  uint64_t *asked; size_t first, outstanding;
  char *unsent; size_t unsent_room, unsent_from, unsent_to;
} Connection;

static const char *setting(int count, char **all, const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int i = 2; i < count; i++)
    if (!strncmp(all[i], name, length) && all[i][length] == '=') return all[i] + length + 1;
  return otherwise;
}
static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "refused");
  exit(1);
}
static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static uint64_t state = 0x9e3779b97f4a7c15ull;
static size_t chance(size_t below) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state % below;
}
static volatile sig_atomic_t stopped;
static void stop(int signal) { (void)signal, stopped = 1; }

static char buffer[1 << 20];
static int port, lines_an_answer, events;
static const char *hello;
static Line *requests;
static size_t request_count;
static Sample *samples;
static size_t sample_count, sample_room, all_answers, errors;

static const char *map_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0) fail(path);
  *size = info.st_size;
  const char *bytes = mmap(0, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (bytes == MAP_FAILED) fail(path);
  return bytes;
}
static size_t lines_in(const char *from, const char *end) {
  size_t count = 0;
  for (; from < end && (from = memchr(from, '\n', end - from)); from++) count++;
  return count;
}
static void split_requests(const char *path) {
  size_t size;
  const char *at = map_file(path, &size), *end = at + size, *next;
  requests = calloc(lines_in(at, end), sizeof *requests);
  for (; at < end && (next = memchr(at, '\n', end - at)); at = next + 1)
    requests[request_count++] = (Line){at, next + 1 - at};
  if (!request_count) fail("no requests");
}
static void send_line(int fd, const char *line) {
  // Short, and there is room.
  if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_MORE) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0) fail("send");
}
static int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!*hello) return fd;
  send_line(fd, hello);
  char byte = 0;
  while (byte != '\n') if (recv(fd, &byte, 1, 0) != 1) fail("hello");
  return fd;
}
static void watch(Connection *c, int how) {
  struct epoll_event event = {.events = EPOLLIN | (c->wants_room ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(events, how, c->fd, &event) < 0) fail("epoll_ctl");
}
static void flush(Connection *c) {
  while (c->unsent_from < c->unsent_to) {
    ssize_t sent = send(c->fd, c->unsent + c->unsent_from, c->unsent_to - c->unsent_from, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) fail("send");
    c->unsent_from += sent;
  }
  int wants_room = c->unsent_from < c->unsent_to;
  if (!wants_room) c->unsent_from = c->unsent_to = 0;
  if (wants_room != c->wants_room) c->wants_room = wants_room, watch(c, EPOLL_CTL_MOD);
}
static void ask(Connection *c, uint64_t when) {
  Line line = requests[chance(request_count)];
  if (c->unsent_to + line.length > c->unsent_room) {
    c->unsent_room = 2 * (c->unsent_to + line.length) + 4096;
    c->unsent = realloc(c->unsent, c->unsent_room);
  }
  memcpy(c->unsent + c->unsent_to, line.text, line.length);
  c->unsent_to += line.length;
  if (c->outstanding == most_outstanding) fail("more is asked than is answered");
  c->asked[(c->first + c->outstanding++) % most_outstanding] = when;
}
static void keep(uint64_t nanoseconds, uint64_t second) {
  if (sample_count == sample_room) {
    sample_room = sample_room ? 2 * sample_room : 1 << 20;
    samples = realloc(samples, sample_room * sizeof *samples);
  }
  uint64_t tenths = nanoseconds / 100;
  samples[sample_count++] = (Sample){tenths > UINT32_MAX ? UINT32_MAX : tenths, second};
}
static int by_time(const void *a, const void *b) {
  uint32_t x = ((const Sample *)a)->tenths, y = ((const Sample *)b)->tenths;
  return (x > y) - (x < y);
}
static double part(double share) {
  size_t at = share * sample_count;
  return sample_count ? samples[at < sample_count ? at : sample_count - 1].tenths / 10.0 : 0;
}
static int is_error(const char *at, const char *end) {
  static const char error[] = "{\"type\":\"ERROR\"";
  return *at == '-' || ((size_t)(end - at) >= sizeof error && !memcmp(at, error, sizeof error - 1));
}

static int load(int count, char **all) {
  int connections = atoi(setting(count, all, "connections", "1")), depth = atoi(setting(count, all, "depth", "1"));
  double rate = atof(setting(count, all, "rate", "0")), seconds = atof(setting(count, all, "seconds", "2"));
  double warm = atof(setting(count, all, "warm", "0.5"));
  split_requests(setting(count, all, "file", ""));
  events = epoll_create1(0);
  Connection *each = calloc(connections, sizeof *each);
  for (int i = 0; i < connections; i++) {
    each[i] = (Connection){.fd = dial(), .at_line_start = 1, .asked = malloc(most_outstanding * sizeof(uint64_t))};
    fcntl(each[i].fd, F_SETFL, O_NONBLOCK);
    watch(&each[i], EPOLL_CTL_ADD);
  }
  uint64_t start = now(), from = start + warm * 1e9, to = from + seconds * 1e9, asked = 0, t;
  if (!rate)
    for (int i = 0; i < connections; flush(&each[i++])) for (int k = 0; k < depth; k++) ask(&each[i], start);
  for (;;) {
    t = now();
    if (stopped && t < to) to = t;
    // A slow server gets the time that one answer takes.
    if (!rate && t >= to && !sample_count && !stopped && t < start + 60000000000ull) to = t + 10000000;
    if (t >= to) {
      size_t waiting = 0;
      for (int i = 0; i < connections; i++) waiting += each[i].outstanding;
      // What was asked in time still counts when its answer is late.
      if (!rate || !waiting || t > to + 5000000000ull) break;
    }
    struct timespec patience = {0, 20000000};
    if (rate && t < to) {
      uint64_t due;
      while ((due = start + (uint64_t)(asked * 1e9 / rate)) <= t) {
        Connection *c = &each[asked++ % connections];
        ask(c, due), flush(c);
      }
      if (due - t < 20000000) patience.tv_nsec = due - t;
    }
    struct epoll_event ready[256];
    int found = epoll_pwait2(events, ready, 256, &patience, 0);
    for (int i = 0; i < found; i++) {
      Connection *c = ready[i].data.ptr;
      if (ready[i].events & EPOLLOUT) flush(c);
      if (!(ready[i].events & ~EPOLLOUT)) continue;
      ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) errno = 0, fail("closed by the server");
      t = now();
      for (const char *at = buffer, *end = buffer + got; at < end; c->at_line_start = 1) {
        if (c->at_line_start && is_error(at, end)) errors++;
        c->at_line_start = 0;
        if (!(at = memchr(at, '\n', end - at))) break;
        at++;
        if (++c->lines_seen < lines_an_answer) continue;
        c->lines_seen = 0;
        if (!c->outstanding) errno = 0, fail("an answer to nothing");
        uint64_t since = c->asked[c->first], counts = rate ? since : t;
        c->first = (c->first + 1) % most_outstanding, c->outstanding--, all_answers++;
        if (counts >= from && counts < to) keep(t - since, (counts - from) / 1000000000ull);
        if (!rate && t < to) ask(c, t);
      }
      flush(c);
    }
  }
  size_t unanswered = 0;
  for (int i = 0; rate && i < connections; i++) unanswered += each[i].outstanding;
  double measured = (to - from) / 1e9;
  printf("{\"rate\":%.1f,\"answers\":%zu,\"seconds\":%.3f,\"allAnswers\":%zu,\"unanswered\":%zu,\"errors\":%zu,\"eachSecond\":[",
         sample_count / measured, sample_count, measured, all_answers, unanswered, errors);
  for (uint32_t second = 0, answers = 0; second < measured; second++, answers = 0) {
    for (size_t i = 0; i < sample_count; i++) answers += samples[i].second == second;
    printf("%s%u", second ? "," : "", answers);
  }
  qsort(samples, sample_count, sizeof *samples, by_time);
  printf("],\"p50Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n", part(.5), part(.99), part(1));
  return 0;
}

// Sends as the server takes it, counts the answers, says how long it took; the connection stays.
static int bulk(int count, char **all) {
  size_t size, sent = 0, answers = 0;
  const char *bytes = map_file(setting(count, all, "file", ""), &size);
  size_t wanted = lines_in(bytes, bytes + size);
  Connection c = {.fd = dial(), .wants_room = 1};
  int starts = 1;
  fcntl(c.fd, F_SETFL, O_NONBLOCK);
  events = epoll_create1(0);
  watch(&c, EPOLL_CTL_ADD);
  uint64_t start = now();
  while (answers < wanted * lines_an_answer && !stopped) {
    struct epoll_event ready;
    if (epoll_wait(events, &ready, 1, 100) < 1) continue;
    if (ready.events & EPOLLOUT) {
      ssize_t taken = send(c.fd, bytes + sent, size - sent > sizeof buffer ? sizeof buffer : size - sent, MSG_NOSIGNAL);
      if (taken < 0 && errno != EAGAIN) fail("send");
      if (taken > 0 && (sent += taken) == size) c.wants_room = 0, watch(&c, EPOLL_CTL_MOD);
    }
    if (!(ready.events & ~EPOLLOUT)) continue;
    ssize_t got = recv(c.fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) errno = 0, fail("closed by the server");
    for (const char *at = buffer, *end = buffer + got; at < end; answers++, starts = 1) {
      if (starts && is_error(at, end)) errors++;
      starts = 0;
      if (!(at = memchr(at, '\n', end - at))) break;
      at++;
    }
  }
  printf("{\"seconds\":%.3f,\"errors\":%zu}\n", (now() - start) / 1e9, errors);
  fflush(stdout);
  return c.fd;
}
static int leave(int count, char **all) {
  const char *query = setting(count, all, "query", ""), *mark = setting(count, all, "mark", "");
  int peer = bulk(count, all), asker = dial();
  if (getchar() == EOF) return 1;
  uint64_t start = now(), left = 0, known = 0, last_seen = 0, asked, answered;
  long before = 0, late = 0, after = 0;
  do {
    asked = now();
    send_line(asker, query);
    size_t length = 0;
    do {
      ssize_t got = recv(asker, buffer + length, sizeof buffer - 1 - length, 0);
      if (got <= 0) fail("closed by the server");
      length += got;
    } while (buffer[length - 1] != '\n');
    buffer[length] = 0, answered = now();
    int seen = strstr(buffer, mark) != 0;
    char rest;
    if (left && !known && recv(peer, &rest, 1, MSG_DONTWAIT) == 0) known = answered;
    if (seen && !left) before++;
    if (seen && left) last_seen = answered;
    // Known when this was asked, for a millisecond at least.
    if (known && asked > known + 1000000) after++, late += seen;
    // Half closed: the server closes its side once it knows.
    if (!left && answered > start + 200000000ull) shutdown(peer, SHUT_WR), left = now();
  } while (answered < start + 700000000ull && !stopped);
  printf("{\"before\":%ld,\"knownUs\":%.1f,\"lastSeenUs\":%.1f,\"askedAfter\":%ld,\"late\":%ld}\n", before,
         known ? (known - left) / 1e3 : -1, last_seen ? (last_seen - left) / 1e3 : 0, after, late);
  return 0;
}

int main(int count, char **all) {
  const char *mode = count > 1 ? all[1] : "";
  port = atoi(setting(count, all, "port", "0")), hello = setting(count, all, "hello", "");
  lines_an_answer = atoi(setting(count, all, "lines", "1"));
  signal(SIGINT, stop), signal(SIGTERM, stop);
  prctl(PR_SET_TIMERSLACK, 1);
  if (!strcmp(mode, "requests")) return load(count, all);
  if (!strcmp(mode, "leave")) return leave(count, all);
  if (strcmp(mode, "bulk")) return fprintf(stderr, "usage: load requests|bulk|leave key=value …\n"), 2;
  bulk(count, all);
  getchar();
  return 0;
}
