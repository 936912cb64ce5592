# A link between two hosts with a rate and a delay, for kernels without netem: two TUN devices, and a queue each way. All that passes is shaped alike.
# usage: perl shape.pl DEVICE DEVICE MBIT ROUND_TRIP_MS    as root. Says `ready` once both devices exist, which then may move to other networks;
# a line `delay MS` on stdin changes the round trip; ends with its stdin
use strict;
use warnings;
use Fcntl;
use Time::HiRes qw(time);

my ($near, $far, $mbit, $ms) = @ARGV;
# From <linux/if_tun.h>: the request, and "IP packets, without a header before them".
my ($TUNSETIFF, $PACKETS) = (0x400454ca, 0x1001);
# What waits longer than this is dropped, as a router's buffer does: 100 ms at the link's rate.
my $patience = 0.1;

sub device {
  my ($name) = @_;
  sysopen(my $file, "/dev/net/tun", O_RDWR | O_NONBLOCK) or die "/dev/net/tun: $!\n";
  ioctl($file, $TUNSETIFF, pack("a16 S x22", $name, $PACKETS)) or die "$name: $!\n";
  return $file;
}

my @devices = map { device($_) } $near, $far;
my @waiting = ([], []);
my @free = (0, 0);
my $delay = $ms / 2000;
my $perByte = 8 / ($mbit * 1e6);
my $read = "";
vec($read, fileno($_), 1) = 1 for @devices, *STDIN;
$| = 1;
print "ready\n";

while (1) {
  my $now = time;
  my $next = 1;
  for my $side (0, 1) {
    my $queue = $waiting[$side];
    while (@$queue && $queue->[0][0] <= $now) { syswrite($devices[1 - $side], (shift @$queue)->[1]) }
    $next = $queue->[0][0] - $now if @$queue && $queue->[0][0] - $now < $next;
  }
  select(my $ready = $read, undef, undef, $next) or next;
  if (vec($ready, fileno(STDIN), 1)) {
    sysread(STDIN, my $line, 100) or exit;
    $delay = $1 / 2000 if $line =~ /^delay ([0-9.]+)/;
  }
  $now = time;
  for my $side (0, 1) {
    next unless vec($ready, fileno($devices[$side]), 1);
    for (1 .. 32) {
      last unless sysread($devices[$side], my $packet, 65536);
      my $start = $free[$side] > $now ? $free[$side] : $now;
      next if $start - $now > $patience;
      $free[$side] = $start + length($packet) * $perByte;
      push @{$waiting[$side]}, [$free[$side] + $delay, $packet];
    }
  }
}
