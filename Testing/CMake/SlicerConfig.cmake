# Stands in for Slicer's own SlicerConfig.cmake, so that the extension can be configured, built, installed and packaged
# where Slicer is not. It takes what the real macros take (keyword for keyword, anything unknown is an error), wants
# every file to exist, and puts the files where Slicer has them. Use it with -DSlicer_DIR=<this folder>.

set(Slicer_FOUND TRUE)
set(Slicer_VERSION "5.13.0")
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicerStandIn.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/GenerateConfigStandIn.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/PackageStandIn.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.13/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
set(Slicer_CLIMODULES_LIB_DIR "lib/Slicer-5.13/cli-modules")
set(Slicer_INSTALL_CLIMODULES_LIB_DIR "${Slicer_CLIMODULES_LIB_DIR}")
set(Slicer_LAUNCHER_EXECUTABLE "Slicer")
