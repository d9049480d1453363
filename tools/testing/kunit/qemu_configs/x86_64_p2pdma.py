# SPDX-License-Identifier: GPL-2.0-only
#
# A q35 machine for the suites in drivers/pci/p2pdma/tests: one PCIe switch,
# below it two NVMe drives and a third one that registers its CMB.
#
# The drives begin as zeroes and keep what is written while QEMU runs.
from ..qemu_config import QemuArchParams

def drive(name, bus, more=''):
	return ['-drive', f'if=none,id={name},driver=null-co,size=64M,read-zeroes=on,snapshot=on',
		'-device', f'nvme,serial={name},drive={name},bus={bus}{more}']

QEMU_ARCH = QemuArchParams(linux_arch='x86_64',
			   kconfig='''
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y''',
			   qemu_arch='x86_64',
			   kernel_path='arch/x86/boot/bzImage',
			   kernel_command_line='console=ttyS0',
			   extra_qemu_params=[
				   '-machine', 'q35', '-smp', '2',
				   '-device', 'pcie-root-port,id=root0,bus=pcie.0,chassis=1',
				   '-device', 'x3130-upstream,id=up0,bus=root0',
				   *(word for port in ('0', '1', '2') for word in (
					   '-device', f'xio3130-downstream,id=down{port},bus=up0,'
						      f'chassis=2,slot={port}')),
				   *drive('a', 'down0'),
				   *drive('b', 'down1'),
				   *drive('provider', 'down2', ',cmb_size_mb=16')])
